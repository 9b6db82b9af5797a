"""What time alone does to an application; the thread with reviewers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.applications.models import Application
from portal.applications.policies import can_view_application
from portal.applications.services import expire_applications, send_message
from portal.applications.tasks import expire
from portal.audit.services import System
from portal.errors import Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from portal.programs.services import publish_agreement
from portal.reviews.services import request_changes
from tests.factories import stories
from tests.factories.accounts import UserFactory
from tests.log import written

pytestmark = pytest.mark.django_db
CLOCK = System("clock")


def asked_for_changes():
    application = stories.in_review()
    request_changes(
        application_id=application.pk,
        revision=stories.read(application.pk),
        notes={"": "More."},
        by=stories.reviewer(),
    )
    return stories.again(application)


def offered():
    application = stories.reviewed()
    publish_agreement(
        release_id=application.phase.release_id, title="Terms", text="New.", by=stories.manager()
    )
    return stories.approve(application)


@pytest.mark.parametrize(
    ("make", "after"),
    [(stories.draft, "expired"), (asked_for_changes, "expired"), (offered, "lapsed")],
)
def test_what_nobody_takes_up_runs_out_once(make, after):
    application = make()
    assert expire_applications(by=CLOCK) == 0
    Application.objects.update(expires_at=timezone.now())
    with written() as log:
        expire()
        expire()
    assert log == [
        (f"application.{after}", application.ref, application.ref, "system:clock"),
    ]
    assert stories.again(application).status == after
    mail = OutgoingMail.objects.latest("id")
    assert (mail.template, mail.context["lapsed"]) == ("applications/expired", after == "lapsed")


@pytest.mark.parametrize("make", [stories.submitted, stories.in_review])
def test_what_waits_for_us_never_runs_out(make):
    make()
    Application.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert expire_applications(by=CLOCK) == 0


def send(application, *, by, body="When will you answer?"):
    return send_message(application_id=application.pk, body=body, by=by)


def test_the_applicant_writes_and_no_mail_goes_to_themselves():
    application = stories.submitted()
    mails = OutgoingMail.objects.count()
    with written() as log:
        message = send(application, by=application.applicant, body="  Hello.  ")
    assert log == [
        ("application.message_sent", application.ref, application.ref, application.applicant.ref)
    ]
    assert (message.body, message.from_staff) == ("Hello.", False)
    assert OutgoingMail.objects.count() == mails


def test_staff_write_and_the_applicant_is_mailed_without_the_words():
    application, reviewer = stories.submitted(), stories.reviewer()
    assert send(application, by=reviewer, body="Which machine?").from_staff
    mail = OutgoingMail.objects.latest("id")
    assert (mail.template, mail.to) == (
        "applications/message_received",
        application.applicant.email,
    )
    assert "Which machine?" not in str(mail.context)


@pytest.mark.parametrize("body", ["", " \n", "x" * 5001])
def test_a_message_has_words_that_fit(body):
    application = stories.submitted()
    with pytest.raises(Invalid):
        send(application, by=application.applicant, body=body)


def test_strangers_neither_read_nor_write():
    application = stories.submitted()
    with pytest.raises(NotAllowed) as refused:
        send(application, by=UserFactory())
    assert refused.value.code == "not_yours"
    people = {
        "applicant": application.applicant,
        "stranger": UserFactory(),
        "staff": UserFactory(permissions=["applications.view_application"]),
        "responder": stories.responder(),
    }
    assert {name for name, who in people.items() if can_view_application(who, application)} == {
        "applicant",
        "staff",
    }
