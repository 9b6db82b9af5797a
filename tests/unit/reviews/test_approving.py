"""Approving: the grant and its slot, the offer, and what those get who have lost their standing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.applications.services import (
    withdraw_application,
)
from portal.credentials.models import Credential, Grant
from portal.credentials.services import (
    accept_offer,
    claim_credential,
    issue_credential,
    withdraw_grant,
)
from portal.errors import Conflict, Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from portal.programs.selectors import current_agreement
from portal.programs.services import halt_phase, publish_agreement
from portal.reviews.models import Decision
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory, UserFactory, suspend
from tests.factories.stories import accept, decline
from tests.log import written

pytestmark = pytest.mark.django_db


def publish_new_terms(application):
    publish_agreement(
        release_id=application.phase.release_id, title="Terms", text="New.", by=stories.manager()
    )


def test_approving_opens_a_grant_with_one_slot_and_writes_each_step_once():
    application, decider = stories.reviewed(), stories.decider()
    with written() as log:
        stories.approve(application, by=decider)
    decision, grant, slot = Decision.objects.get(), Grant.objects.get(), Credential.objects.get()
    thread, by = application.ref, decider.ref
    assert log == [
        ("review.decided", decision.ref, thread, by),
        ("application.approved", thread, thread, by),
        ("application.granted", thread, thread, by),
        ("grant.opened", grant.ref, thread, by),
        ("credential.requested", slot.kid, thread, by),
    ]
    assert stories.again(application).status == "granted"
    assert (grant.status, grant.scopes, slot.status, slot.scopes, slot.digest) == (
        "activating",
        [stories.STANDARD],
        "requested",
        [stories.STANDARD],
        None,
    )
    assert (decision.outcome, decision.reason_code, decision.scopes, decision.decided_by) == (
        "approved",
        "meets_criteria",
        [stories.STANDARD],
        decider,
    )
    assert OutgoingMail.objects.latest("id").template == "applications/approved"


def test_a_grant_takes_the_phases_limits_of_the_day_it_is_opened():
    application = stories.reviewed()
    application.phase.requests_per_minute, application.phase.max_grant_days = 7, 3
    application.phase.save()
    grant = stories.approve(application).grant
    assert (grant.requests_per_minute, grant.ends_at - grant.starts_at) == (7, timedelta(days=3))


def test_fewer_capabilities_than_asked_can_be_approved():
    asked = [stories.ELEVATED, stories.STANDARD]
    application = stories.approve(stories.reviewed(scopes=asked), scopes=[stories.STANDARD])
    assert (application.scopes, application.grant.scopes) == (asked, [stories.STANDARD])


@pytest.mark.parametrize(
    ("scopes", "code"),
    [
        ([], "scopes_missing"),
        ([stories.STANDARD, stories.CRITICAL], "scopes_not_asked"),
        ([stories.ELEVATED], "scopes_above_ceiling"),
    ],
)
def test_never_more_than_asked_or_than_the_phase_allows(scopes, code):
    application = stories.reviewed(scopes=[stories.STANDARD, stories.ELEVATED])
    application.phase.capabilities.remove(
        application.phase.capabilities.get(scope=stories.ELEVATED)
    )
    with written() as log, pytest.raises(Invalid) as refused:
        stories.approve(application, scopes=scopes)
    assert (refused.value.code, log) == (code, [])
    assert (stories.again(application).status, Grant.objects.count()) == ("in_review", 0)


def test_a_full_phase_approves_nobody_until_a_place_frees():
    phase = stories.open_phase(capacity=1)
    grant = stories.opened(phase=phase)
    waiting = stories.reviewed(phase=phase)
    with written() as log, pytest.raises(Conflict) as refused:
        stories.approve(waiting)
    assert (refused.value.code, log, Decision.objects.count()) == ("phase_full", [], 1)
    withdraw_grant(grant_id=grant.pk, by=grant.holder)
    assert stories.approve(waiting).status == "granted"


def test_an_offer_takes_a_place_until_it_is_withdrawn():
    phase = stories.open_phase(capacity=1)
    offered, waiting = stories.reviewed(phase=phase), stories.reviewed(phase=phase)
    publish_new_terms(offered)
    assert stories.approve(offered).status == "approved"
    with pytest.raises(Conflict):
        stories.approve(waiting)
    withdraw_application(application_id=offered.pk, by=offered.applicant)
    assert stories.approve(waiting).status == "approved"


def test_terms_published_between_submission_and_approval_make_an_offer():
    application, decider = stories.reviewed(), stories.decider()
    publish_new_terms(application)
    with written() as log:
        stories.approve(application, by=decider)
    assert [line[0] for line in log] == ["review.decided", "application.approved"]
    application.refresh_from_db()
    assert (application.status, Grant.objects.count()) == ("approved", 0)
    assert (application.expires_at - timezone.now()).days == 13
    assert OutgoingMail.objects.latest("id").template == "applications/offered"

    with written() as log:
        grant = accept(application)
    thread, applicant = application.ref, application.applicant.ref
    assert log == [
        ("agreement.signed", applicant, application.phase.release.ref, applicant),
        ("application.granted", thread, thread, applicant),
        ("grant.opened", grant.ref, thread, applicant),
        ("credential.requested", grant.credentials.get().kid, thread, applicant),
    ]
    assert stories.again(application).status == "granted"


def test_an_offer_is_for_the_applicant_in_time_and_on_todays_terms():
    application = stories.reviewed()
    publish_new_terms(application)
    old = current_agreement(application.phase.release)
    with pytest.raises(NotAllowed) as refused:
        accept(application)
    assert refused.value.code == "no_offer"
    stories.approve(application)
    with pytest.raises(NotAllowed) as refused:
        accept(application, by=UserFactory())
    assert refused.value.code == "not_yours"
    publish_agreement(
        release_id=application.phase.release_id, title="T", text="Newer.", by=stories.manager()
    )
    with pytest.raises(Conflict) as refused:
        accept_offer(
            application_id=application.pk,
            agreement_id=old.pk,
            sha256=old.sha256,
            signed_name="A. Person",
            by=application.applicant,
        )
    assert refused.value.code == "agreement_changed"
    application.refresh_from_db()
    application.expires_at = timezone.now()
    application.save()
    with pytest.raises(NotAllowed) as refused:
        accept(application)
    assert (refused.value.code, Grant.objects.count()) == ("offer_lapsed", 0)


def close_account(application):
    application.applicant.is_active = False
    application.applicant.save(update_fields=["is_active"])


LOST = {
    "applicant_suspended": lambda application: suspend(application.applicant),
    "organization_suspended": lambda application: suspend(application.organization),
    "not_a_member": lambda application: application.applicant.memberships.all().delete(),
    "phase_halted": lambda application: halt_phase(
        phase_id=application.phase_id, by=stories.manager()
    ),
}


def for_an_organisation(*, times=1):
    application = stories.reviewed(times=times)
    application.organization = OrganizationFactory()
    application.save(update_fields=["organization"])
    application.applicant.memberships.create(organization=application.organization, role="member")
    # A place elsewhere is no place here.
    application.applicant.memberships.create(organization=OrganizationFactory(), role="owner")
    return application


@pytest.mark.parametrize("code", LOST)
def test_nothing_is_approved_for_those_who_lost_their_standing(code):
    application = for_an_organisation()
    LOST[code](application)
    with written() as log, pytest.raises(NotAllowed) as refused:
        stories.approve(application)
    assert (refused.value.code, log, Grant.objects.count()) == (code, [], 0)
    assert stories.again(application).status == "in_review"
    assert OutgoingMail.objects.filter(template__startswith="applications/approved").count() == 0
    decline(application)  # a no can be told to anybody


def test_a_closed_account_is_given_nothing():
    application = stories.reviewed()
    close_account(application)
    with pytest.raises(NotAllowed) as refused:
        stories.approve(application)
    assert refused.value.code == "applicant_suspended"


@pytest.mark.parametrize("code", LOST)
def test_an_offer_is_not_taken_up_by_those_who_lost_their_standing(code):
    application = for_an_organisation()
    publish_new_terms(application)
    stories.approve(application)
    LOST[code](application)
    by = stories.again(application.applicant)
    with written() as log, pytest.raises(NotAllowed) as refused:
        accept(application, by=by)
    own = {"applicant_suspended": "account_suspended"}  # said to the person themself
    assert (refused.value.code, log, Grant.objects.count()) == (own.get(code, code), [], 0)
    assert stories.again(application).status == "approved"


@pytest.mark.parametrize("code", LOST)
def test_no_key_is_shown_to_those_who_lost_their_standing(code):
    application = for_an_organisation()
    stories.approve(application)
    issue_credential(grant_id=application.grant.pk, by=stories.WORKER)
    slot = application.grant.credentials.get()
    LOST[code](application)
    by = stories.again(application.applicant)
    with written() as log, pytest.raises(NotAllowed) as refused:
        claim_credential(kid=slot.kid, by=by)
    own = {"applicant_suspended": "account_suspended"}
    assert (refused.value.code, log) == (own.get(code, code), [])
    assert (stories.again(slot).status, stories.again(slot).digest) == ("ready", None)


def test_those_in_good_standing_apply_for_their_organisation_and_get_their_key():
    application = for_an_organisation()
    publish_new_terms(application)
    stories.approve(application)
    grant = accept(application)
    issue_credential(grant_id=grant.pk, by=stories.WORKER)
    assert claim_credential(kid=grant.credentials.get().kid, by=grant.holder).token


def test_a_suspended_person_takes_up_no_offer():
    application = stories.reviewed()
    publish_new_terms(application)
    stories.approve(application)
    suspend(application.applicant)
    with pytest.raises(NotAllowed) as refused:
        accept(application)
    assert (refused.value.code, Grant.objects.count()) == ("account_suspended", 0)
