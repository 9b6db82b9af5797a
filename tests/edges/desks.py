"""Staff at the review desk: what they press, fill in and read."""

from django.test import Client

from portal.admin_buttons import object_url
from portal.reviews.admin import ReviewDesk
from tests.factories import stories

QUEUE = "/admin/applications/application/"
REVIEW = {
    "recommendation": "approve",
    "score_need": "4",
    "score_safeguards": "3",
    "score_track_record": "5",
    "comment": "Sound, and the safeguards are tested.",
}
VERBS = [button.verb for button in ReviewDesk.buttons]


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def press(user, application, verb, **typed):
    """Press a button, fill in its page and send it; it was opened just now unless `typed` says."""
    if verb in ("review", "approve", "decline", "waitlist"):
        typed = {"revision": stories.read(application.pk), **typed}
    return signed_in(user).post(object_url(application, verb=verb), typed)


def page(user, application):
    return signed_in(user).get(object_url(application))
