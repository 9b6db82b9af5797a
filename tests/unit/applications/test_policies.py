"""Truth tables: what an applicant may do with an application, in each of its states."""

import itertools
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.applications import policies
from portal.applications.enums import ApplicationStatus as S
from portal.reviews.models import Decision
from tests.factories.accounts import MembershipFactory, UserFactory, suspend
from tests.factories.applications import ApplicationFactory
from tests.factories.programs import RolloutPhaseFactory
from tests.factories.stories import open_phase

pytestmark = pytest.mark.django_db

READ, REVIEW = "applications.view_application", "reviews.review_application"
WHO = ("applicant", "applicant, suspended", "stranger", "reader", "reviewer", "superuser")


def case(who, status):
    """(the person, an application in that state)."""
    mine = who.startswith("applicant")
    person = UserFactory(
        permissions={"reader": [READ], "reviewer": [REVIEW]}.get(who),
        is_superuser=who == "superuser",
    )
    phase = RolloutPhaseFactory()
    application = ApplicationFactory(
        phase=phase, applicant=person if mine else UserFactory(), status=status
    )
    return suspend(person) if "suspended" in who else person, application


# What whoever applied is told in each state.
EDIT = dict.fromkeys(S, "not_editable") | {S.DRAFT: "", S.CHANGES_REQUESTED: ""}
WITHDRAW = dict.fromkeys(S, "not_withdrawable") | dict.fromkeys(
    (
        *(S.DRAFT, S.SUBMITTED, S.IN_REVIEW, S.CHANGES_REQUESTED),
        *(S.WAITLISTED, S.APPROVED, S.APPEALED),
    ),
    "",
)
APPEAL = dict.fromkeys(S, "not_appealable") | {S.DECLINED: ""}
TALK = dict.fromkeys(S, "thread_closed") | dict.fromkeys(
    (S.SUBMITTED, S.IN_REVIEW, S.CHANGES_REQUESTED, S.WAITLISTED, S.APPROVED, S.APPEALED), ""
)
EVERYTHING = list(itertools.product(WHO, S))


def others(who, mine, *, may=()):
    return mine if who.startswith("applicant") or who in may else "not_yours"


@pytest.mark.parametrize(("who", "status"), EVERYTHING)
def test_who_may_what_in_which_state(who, status):
    person, application = case(who, status)
    suspended = "account_suspended" if "suspended" in who else ""
    edit = suspended or EDIT[status]
    # Whether it can be appealed at all is said first.
    appeal = APPEAL[status] or suspended
    # The phase is not open, which an answer to a change request does not ask.
    submit = edit or ("not_open" if status == S.DRAFT else "")
    said = {
        name: getattr(policies, f"can_{name}")(person, application).code
        for name in (
            "view_application",
            "edit_application",
            "submit_application",
            "withdraw_application",
            "appeal_application",
            "send_message",
        )
    }
    assert said == {
        "view_application": others(who, "", may=("reader", "superuser")),
        "edit_application": others(who, edit),
        "submit_application": others(who, submit),
        "withdraw_application": others(who, WITHDRAW[status]),
        "appeal_application": others(who, appeal),
        "send_message": others(who, TALK[status], may=("reviewer", "superuser")),
    }


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ""),
        ({"halted_at": timezone.now()}, "phase_halted"),
        ({"closes_at": timezone.now()}, "closed"),
        ({"opens_at": None}, "not_open"),
    ],
)
def test_a_first_submission_asks_the_phase_and_an_answer_does_not(changed, expected):
    application = ApplicationFactory(phase=open_phase())
    for name, value in changed.items():
        setattr(application.phase, name, value)
    assert policies.can_submit_application(application.applicant, application).code == expected
    application.status = S.CHANGES_REQUESTED
    assert policies.can_submit_application(application.applicant, application).code == ""


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_no_appeal_beside_another_application_that_is_open(status, elsewhere):
    declined = ApplicationFactory(status=S.DECLINED)
    phase = RolloutPhaseFactory() if elsewhere else declined.phase
    ApplicationFactory(phase=phase, applicant=declined.applicant, status=status)
    over = {S.GRANTED, S.LAPSED, S.DECLINED, S.DECLINED_FINAL, S.WITHDRAWN, S.EXPIRED}
    said = policies.can_appeal_application(declined.applicant, declined).code
    assert said == ("" if elsewhere or status in over else "applied_again")


TODAY = timezone.now().date()


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], ""),
        ([None], ""),
        ([TODAY - timedelta(days=1)], ""),
        ([TODAY], ""),
        ([TODAY + timedelta(days=2)], "too_early"),
        ([TODAY + timedelta(days=2), TODAY - timedelta(days=9)], "too_early"),
    ],
)
def test_the_latest_day_that_a_refusal_named_counts(days, expected):
    phase, person = RolloutPhaseFactory(), UserFactory()
    for day in days:
        refuse(ApplicationFactory(phase=phase, applicant=person, status=S.DECLINED), day)
    assert policies.can_apply_again(person, phase).code == expected
    # Another's refusal, and one in another phase, are no matter.
    assert policies.can_apply_again(UserFactory(), phase).code == ""
    assert policies.can_apply_again(person, RolloutPhaseFactory()).code == ""


def refuse(application, day):
    by = application.applicant
    revision = application.revisions.create(number=1, snapshot={}, sha256="", submitted_by=by)
    Decision.objects.create(
        application=application,
        revision=revision,
        decided_by=UserFactory(),
        outcome="declined",
        reason_code="risk_too_high",
        text="No.",
        may_reapply_from=day,
    )


def leave(given):
    given["person"].memberships.all().delete()


def stop(given):
    given["person"].is_active = False
    given["person"].save()


def halt(given):
    given["phase"].halted_at, given["phase"].halted_by = timezone.now(), UserFactory()
    given["phase"].save()


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("happened", "expected", "expected_alone"),
    [
        (lambda given: None, "", ""),
        (stop, "applicant_suspended", "applicant_suspended"),
        (lambda given: suspend(given["person"]), "applicant_suspended", "applicant_suspended"),
        (halt, "phase_halted", "phase_halted"),
        (lambda given: suspend(given["organization"]), "organization_suspended", ""),
        (leave, "not_a_member", ""),
    ],
)
def test_when_access_can_be_given(happened, expected, expected_alone, alone):
    place = MembershipFactory()
    given = {
        "person": place.user,
        "organization": place.organization,
        "phase": RolloutPhaseFactory(),
    }
    happened(given)
    said = policies.can_be_given(
        person_id=given["person"].pk,
        organization_id=None if alone else given["organization"].pk,
        phase_id=given["phase"].pk,
    )
    assert said.code == (expected_alone if alone else expected)
