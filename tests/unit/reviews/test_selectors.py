"""What the desk's columns say of each row."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.applications.enums import ApplicationStatus as S
from portal.applications.models import Application
from portal.applications.services import appeal_application, send_message
from portal.programs.selectors import highest_tier
from portal.reviews import selectors
from portal.reviews.services import (
    declare_conflict,
    decline_application,
    reply_to_applicant,
    resolve_conflict,
)
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory
from tests.factories.reviews import staff
from tests.factories.stories import CRITICAL, ELEVATED, STANDARD, again

pytestmark = pytest.mark.django_db


def row(application, user=None):
    return selectors.desk_for(user or staff("reviewer")).get(pk=application.pk)


def waiting(application, days):
    """As if submitted so many days ago."""
    since = timezone.now() - timedelta(days=days)
    Application.objects.filter(pk=application.pk).update(
        submitted_at=since, status_changed_at=since
    )
    return application


def decline(application):
    return decline_application(
        application_id=application.pk,
        revision=stories.read(application.pk),
        reason_code="risk_too_high",
        text="No.",
        by=staff("reviewer"),
    )


@pytest.mark.parametrize(
    ("scopes", "tier"),
    [
        ([], "standard"),
        ([STANDARD], "standard"),
        ([STANDARD, ELEVATED], "elevated"),
        ([ELEVATED, CRITICAL], "critical"),
        (["nowhere:known"], "critical"),
    ],
)
def test_tier_is_the_highest_asked_for(scopes, tier):
    application = stories.submitted()
    Application.objects.filter(pk=application.pk).update(scopes=scopes)
    application = again(application)
    assert row(application).tier == tier
    assert highest_tier(application.phase.release, application.scopes) == tier


def test_a_scope_of_the_same_name_in_another_release_does_not_count():
    application = stories.submitted(scopes=[STANDARD])
    other = stories.open_phase()
    other.release.capabilities.filter(scope=STANDARD).update(tier="critical")
    assert row(application).tier == "standard"


@pytest.mark.parametrize(("days", "late"), [(9, False), (11, True)])
def test_overdue_is_past_the_phase_s_promise(days, late):
    application = waiting(stories.submitted(), days)
    seen = row(application)
    assert seen.overdue is late
    assert seen.due_at == again(application).submitted_at + timedelta(days=10)


def test_what_is_not_promised_is_never_overdue():
    for state in (S.WAITLISTED, S.DECLINED, S.DRAFT):
        application = waiting(stories.submitted(), 400)
        Application.objects.filter(pk=application.pk).update(status=state)
        assert (row(application).overdue, row(application).due_at) == (False, None)


def test_an_appeal_waits_since_it_was_made_and_its_reviews_start_anew():
    application = stories.in_review()
    old = staff("reviewer")
    stories.review(application, by=old)
    decline(application)
    appeal_application(application_id=application.pk, text="Look again.", by=application.applicant)
    Application.objects.filter(pk=application.pk).update(
        submitted_at=timezone.now() - timedelta(days=400)
    )
    seen = row(application, old)
    assert (seen.overdue, seen.reviews_in, seen.reviewed_by_me) == (False, 0, False)
    assert seen.waiting_since == again(application).status_changed_at
    new = staff("reviewer")
    stories.review(again(application), by=new)
    assert (row(application, new).reviews_in, row(application, new).reviewed_by_me) == (1, True)


def test_reviews_of_an_earlier_revision_do_not_count():
    application = stories.in_review()
    stories.review(application)
    assert row(application).reviews_in == 1
    revision = application.revisions.get()
    application.revisions.create(
        number=2,
        snapshot=revision.snapshot,
        sha256=revision.sha256,
        submitted_by=application.applicant,
    )
    assert row(application).reviews_in == 0


def test_unanswered_counts_since_staff_last_wrote():
    application = stories.in_review()
    seen = []
    for by, body in (
        (application.applicant, "One."),
        (application.applicant, "Two."),
        (staff("reviewer"), "Answer."),
        (application.applicant, "Three."),
    ):
        if by == application.applicant:
            send_message(application_id=application.pk, body=body, by=by)
        else:
            reply_to_applicant(application_id=application.pk, body=body, by=by)
        seen.append(row(application).unanswered)
    assert seen == [1, 2, 0, 1]


def test_my_conflict_is_mine_until_waived():
    application = stories.in_review()
    rosa, ruben = staff("reviewer"), staff("reviewer")
    conflict = declare_conflict(application_id=application.pk, kind="real", detail="Kin.", by=rosa)
    assert (row(application, rosa).my_conflict, row(application, ruben).my_conflict) == (
        True,
        False,
    )
    resolve_conflict(conflict_id=conflict.pk, resolution="waived", by=staff("decider"))
    assert row(application, rosa).my_conflict is False


def test_the_queue_is_longest_waiting_first_and_leaves_out_ties():
    phase = stories.open_phase()
    new = waiting(stories.submitted(phase=phase), 1)
    old = waiting(stories.in_review(phase=phase), 5)
    stories.draft(phase=phase)
    rosa = staff("reviewer")
    own = waiting(stories.submitted(phase=phase, by=rosa), 9)
    colleague = waiting(stories.submitted(phase=phase), 8)
    partner = waiting(stories.submitted(phase=phase), 7)
    organization = OrganizationFactory()
    for person in (rosa, colleague.applicant):
        MembershipFactory(user=person, organization=organization, role="member")
    Application.objects.filter(pk=partner.pk).update(organization=organization)
    assert list(selectors.queue_for(rosa)) == [old, new]
    assert list(selectors.queue_for(staff("reviewer"))) == [own, colleague, partner, old, new]
