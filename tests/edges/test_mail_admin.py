"""Mails in the admin: to look at, and a given-up one to try again."""

from html import unescape

import pytest
from django.utils import timezone

from accounts.models import User
from portal.audit.selectors import timeline
from portal.mail.letters import letter
from portal.mail.models import OutgoingMail
from tests.edges.test_accounts_sign_in import words
from tests.factories.accounts import UserFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/mail/outgoingmail/"


def mail(**fields):
    return OutgoingMail.objects.create(
        to="ada@example.org", template="accounts/user_suspended", **fields
    )


def staff_with(client, *permissions):
    client.force_login(UserFactory(is_staff=True, permissions=list(permissions)))
    return client


def test_mails_are_listed_by_state(client):
    now = timezone.now()
    made = {"waiting": mail(), "sent": mail(sent_at=now), "dead": mail(dead_at=now)}
    staff_with(client, "mail.view_outgoingmail")
    for state, row in made.items():
        page = words(client.get(LIST, {"state": state}))
        assert [other.ref in page for other in made.values()] == [
            other == row for other in made.values()
        ]
    assert client.post(f"{LIST}{made['dead'].ref}/change/", {}).status_code == 403


def test_a_mail_is_read_as_it_was_sent_under_its_own_name(client):
    sent = mail(context={"name": "Ada & co"})
    old = mail()
    OutgoingMail.objects.filter(pk=old.pk).update(template="accounts/given_up_long_ago")
    staff_with(client, "mail.view_outgoingmail")
    page = unescape(words(client.get(f"{LIST}{sent.ref}/change/")))
    wanted = letter(sent.template, sent.context)
    assert f"Mail {sent.ref}" in page
    assert [part in page for part in (wanted.subject, " ".join(wanted.text.split()))] == [True] * 2
    of_old = words(client.get(f"{LIST}{old.ref}/change/"))
    assert [part in of_old for part in (f"Mail {old.ref}", wanted.subject)] == [True, False]


def test_a_dead_mail_is_tried_again_by_whoever_may(client):
    dead = mail(dead_at=timezone.now(), attempts=5)
    page = f"{LIST}{dead.ref}/retry/"
    staff_with(client, "mail.view_outgoingmail")
    assert [client.get(page).status_code, client.post(page).status_code] == [403, 403]
    staff_with(client, "mail.view_outgoingmail", "mail.retry_mail")
    assert "given up after 5 attempts" in words(client.get(page))
    assert client.post(page).url == f"{LIST}{dead.ref}/change/"
    dead.refresh_from_db()
    assert (dead.state, dead.attempts) == ("Waiting", 0)
    told = [(event.kind, event.subject, event.actor) for event in timeline(dead.ref)]
    by = User.objects.get(pk=client.session["_auth_user_id"])
    assert told == [("mail.retried", dead.ref, by.ref)]
    assert "not given up" in words(client.get(page, follow=True))
