"""Submitting, withdrawing, appealing."""

import hashlib
import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from portal.applications.models import Revision
from portal.applications.services import (
    appeal_application,
    save_answers,
    start_application,
    submit_application,
    withdraw_application,
)
from portal.errors import Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from portal.programs.services import publish_agreement
from portal.reviews.services import decline_application, request_changes
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.log import written

pytestmark = pytest.mark.django_db


def submit(application, *, by=None):
    return submit_application(application_id=application.pk, by=by or application.applicant)


def decline(application):
    return decline_application(
        application_id=application.pk,
        revision=stories.read(application.pk),
        reason_code="risk_too_high",
        text="Not now.",
        by=stories.decider(),
    )


def declined():
    return stories.again(decline(stories.in_review()))


def appeal(application, *, text="You overlooked page 2.", by=None):
    return appeal_application(
        application_id=application.pk, text=text, by=by or application.applicant
    )


def test_submitting_freezes_what_stands_and_hashes_it():
    application = stories.draft(scopes=[stories.ELEVATED, stories.STANDARD])
    with written() as log:
        revision = submit(application)
    assert log == [
        ("application.submitted", application.ref, application.ref, application.applicant.ref)
    ]
    snapshot = revision.snapshot
    canonical = json.dumps(snapshot, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert revision.sha256 == hashlib.sha256(canonical.encode()).hexdigest()
    assert snapshot["scopes"] == [stories.ELEVATED, stories.STANDARD]
    assert snapshot["answers"] == [
        {
            "key": "purpose",
            "section": "Use",
            "prompt": "What for?",
            "answer": "Triage of alerts.",
        }
    ]
    application.refresh_from_db()
    assert (application.status, application.submitted_at, application.expires_at) == (
        "submitted",
        revision.submitted_at,
        None,
    )
    mail = OutgoingMail.objects.get()
    assert (mail.template, mail.to) == ("applications/submitted", application.applicant.email)


def test_the_hash_can_be_computed_again_from_what_the_database_keeps():
    from portal.applications.services.submitting import snapshot_sha256  # noqa: PLC0415

    revision = Revision.objects.get(application=stories.submitted())
    assert snapshot_sha256(revision.snapshot) == revision.sha256


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"number": 7}])
def test_a_revision_never_changes(change):
    revision = Revision.objects.get(application=stories.submitted())
    before = Revision.objects.values().get()
    with pytest.raises(DatabaseError), transaction.atomic():
        Revision.objects.filter(pk=revision.pk).update(**change)
    assert Revision.objects.values().get() == before


def test_everything_missing_is_said_at_once_and_nothing_is_lost():
    phase, user = stories.open_phase(), UserFactory()
    application = start_application(phase_id=phase.pk, by=user)
    save_answers(application_id=application.pk, version=0, answers={"purpose": " "}, by=user)
    with written() as log, pytest.raises(Invalid) as refused:
        submit(application)
    assert refused.value.code == "incomplete"
    assert refused.value.fields == {
        "purpose": "Answer this question.",
        "scopes": "Choose at least one capability.",
        "agreement": "Read and sign the agreement.",
    }
    application.refresh_from_db()
    assert (application.status, application.answers, application.version) == (
        "draft",
        {"purpose": " "},
        1,
    )
    assert (log, Revision.objects.count(), OutgoingMail.objects.count()) == ([], 0, 0)


def test_terms_that_changed_meanwhile_have_to_be_signed_first():
    application = stories.draft()
    publish_agreement(
        release_id=application.phase.release_id, title="Terms", text="New.", by=stories.manager()
    )
    with pytest.raises(Invalid) as refused:
        submit(application)
    assert refused.value.fields == {"agreement": "Read and sign the agreement."}


def test_capabilities_the_phase_no_longer_offers_have_to_be_taken_out():
    application = stories.draft(scopes=[stories.STANDARD, stories.CRITICAL])
    application.phase.capabilities.remove(
        application.phase.capabilities.get(scope=stories.CRITICAL)
    )
    with pytest.raises(Invalid) as refused:
        submit(application)
    assert set(refused.value.fields) == {"scopes"}


def test_an_organisation_one_has_left_cannot_stand_behind_a_submission():
    application, organization = stories.draft(), OrganizationFactory()
    membership = application.applicant.memberships.create(organization=organization, role="member")
    save_answers(
        application_id=application.pk,
        version=application.version,
        organization_ref=organization.ref,
        by=application.applicant,
    )
    membership.delete()
    with pytest.raises(Invalid) as refused:
        submit(application)
    assert set(refused.value.fields) == {"organization"}


def test_a_second_submission_of_the_same_draft_is_refused():
    application = stories.submitted()
    with written() as log, pytest.raises(NotAllowed) as refused:
        submit(application)
    assert (refused.value.code, log, Revision.objects.count()) == ("not_editable", [], 1)


def test_answering_a_change_request_is_revision_two_even_after_the_phase_closed():
    application = stories.in_review()
    request_changes(
        application_id=application.pk,
        revision=stories.read(application.pk),
        notes={"purpose": "Be precise."},
        by=stories.reviewer(),
    )
    application.phase.closes_at = timezone.now() - timedelta(minutes=1)
    application.phase.save()
    save_answers(
        application_id=application.pk,
        version=application.version,
        answers={"purpose": "Phishing only."},
        by=application.applicant,
    )
    assert submit(application).number == 2
    first, second = Revision.objects.order_by("number")
    assert first.snapshot["answers"][0]["answer"] == "Triage of alerts."
    assert second.snapshot["answers"][0]["answer"] == "Phishing only."


def test_a_first_submission_needs_the_phase_open():
    application = stories.draft()
    application.phase.closes_at = timezone.now() - timedelta(minutes=1)
    application.phase.save()
    with pytest.raises(NotAllowed) as refused:
        submit(application)
    assert refused.value.code == "closed"


@pytest.mark.parametrize(
    "stage", [stories.draft, stories.submitted, stories.in_review, stories.reviewed]
)
def test_withdrawing_is_possible_until_the_ruling(stage):
    application = stage()
    with written() as log:
        withdraw_application(application_id=application.pk, by=application.applicant)
    assert log == [
        ("application.withdrawn", application.ref, application.ref, application.applicant.ref)
    ]
    assert stories.again(application).status == "withdrawn"


def test_withdrawing_is_not_possible_once_granted_nor_for_others():
    application = stories.opened().application
    with pytest.raises(NotAllowed) as refused:
        withdraw_application(application_id=application.pk, by=application.applicant)
    assert refused.value.code == "not_withdrawable"
    mine = stories.draft()
    with pytest.raises(NotAllowed) as refused:
        withdraw_application(application_id=mine.pk, by=UserFactory())
    assert refused.value.code == "not_yours"


def test_an_appeal_is_a_message_a_mail_and_one_event():
    application = declined()
    with written() as log:
        appeal(application)
    assert log == [
        ("application.appealed", application.ref, application.ref, application.applicant.ref)
    ]
    message = application.messages.get()
    assert (message.body, message.from_staff) == ("You overlooked page 2.", False)
    assert OutgoingMail.objects.latest("id").template == "applications/appealed"


@pytest.mark.parametrize("text", ["", "  \n", "x" * 5001])
def test_an_appeal_needs_words_that_fit(text):
    application = declined()
    with pytest.raises(Invalid) as refused:
        appeal(application, text=text)
    assert set(refused.value.fields) == {"text"}
    assert stories.again(application).status == "declined"


def test_an_appeal_is_possible_once_and_by_the_applicant_only():
    application = declined()
    with pytest.raises(NotAllowed) as refused:
        appeal(application, by=UserFactory())
    assert refused.value.code == "not_yours"
    decline(appeal(application))
    application.refresh_from_db()
    assert application.status == "declined_final"
    with pytest.raises(NotAllowed) as refused:
        appeal(application)
    assert refused.value.code == "not_appealable"


def test_who_has_applied_anew_no_longer_appeals():
    application = declined()
    start_application(phase_id=application.phase_id, by=application.applicant)
    with pytest.raises(NotAllowed) as refused:
        appeal(application)
    assert refused.value.code == "applied_again"


def test_a_suspended_person_neither_edits_nor_submits_nor_appeals():
    asked, over = stories.in_review(), declined()
    request_changes(
        application_id=asked.pk,
        revision=stories.read(asked.pk),
        notes={"": "More."},
        by=stories.reviewer(),
    )
    for application in (asked, over):
        person = application.applicant
        person.suspended_at, person.suspended_by = timezone.now(), UserFactory()
        person.save()
    for refuse in (
        lambda: submit(asked),
        lambda: save_answers(
            application_id=asked.pk, version=asked.version, by=asked.applicant, scopes=[]
        ),
        lambda: appeal(over),
    ):
        with pytest.raises(NotAllowed) as refused:
            refuse()
        assert refused.value.code == "account_suspended"
