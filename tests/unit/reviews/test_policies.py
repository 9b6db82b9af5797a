"""Who may rule, over the whole table; who is barred, from everything."""

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import services
from portal.reviews import policies
from portal.reviews.models import ConflictOfInterest
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory

pytestmark = pytest.mark.django_db

BOTH = ["reviews.review_application", "reviews.decide_application"]
READ = "applications.view_application"
NEEDED = {"standard": 1, "elevated": 2, "critical": 2}
SCOPE = {tier: scope for scope, tier in stories.TIERS.items()}


def make_colleague(user, application):
    organization = OrganizationFactory()
    for person in (user, application.applicant):
        person.memberships.create(organization=organization, role="member")
    return user


def make_conflicted(user, application):
    ConflictOfInterest.objects.create(
        application=application, person=user, kind="real", detail="Kin."
    )
    return user


def case(tier):
    """(application nobody has reviewed, who might rule on it)."""
    applicant = UserFactory(permissions=BOTH)
    application = stories.in_review(scopes=[SCOPE[tier]], by=applicant)
    return application, {
        "outsider": UserFactory(),
        "superuser": UserFactory(is_superuser=True),
        "fresh reviewer": stories.reviewer(),
        "fresh decider": stories.decider(),
        "hands_on": UserFactory(permissions=BOTH),
        "applicant": applicant,
        "colleague": make_colleague(UserFactory(permissions=BOTH), application),
        "conflicted": make_conflicted(UserFactory(permissions=BOTH), application),
    }


def expected(tier, yes, no):
    for_able = "" if yes >= NEEDED[tier] else "quorum_missing"
    for_able = "a_reviewer_said_no" if no else for_able
    critical = tier == "critical"
    return {
        "outsider": "no_permission",
        "superuser": for_able,
        "fresh reviewer": "no_permission" if critical else for_able,
        "fresh decider": for_able,
        "hands_on": "reviewer_is_not_decider" if critical and yes else for_able,
        "applicant": "own_application",
        "colleague": "own_organization",
        "conflicted": "conflict",
    }


@pytest.mark.parametrize("tier", NEEDED)
def test_who_may_approve(tier):
    """As one yes comes after the other, the first by `hands_on`; and beside a no."""
    application, people = case(tier)

    def said():
        reviewed = stories.again(application)
        verdicts = {
            name: policies.can_approve_application(who, reviewed) for name, who in people.items()
        }
        return {name: verdict.code for name, verdict in verdicts.items()}

    for yes, by in enumerate((None, people["hands_on"], stories.reviewer())):
        if by:
            stories.review(application, by=by)
        assert said() == expected(tier, yes, False), yes
        with transaction.atomic():
            stories.review(application, recommendation="decline")
            assert said() == expected(tier, yes, True), yes
            transaction.set_rollback(True)


@pytest.mark.parametrize("make_tied", [make_colleague, make_conflicted])
def test_a_tie_keeps_a_person_out_of_every_step(make_tied):
    application = stories.in_review()
    tied = make_tied(UserFactory(permissions=BOTH), application)
    for policy in (
        policies.can_take_application,
        policies.can_review_application,
        policies.can_request_changes,
        policies.can_decide_application,
        policies.can_approve_application,
    ):
        assert not policy(tied, application)


def test_a_colleague_of_the_organisation_applied_for_is_barred_too():
    organization, colleague = OrganizationFactory(), UserFactory(permissions=BOTH)
    application = stories.in_review()
    application.organization = organization
    application.save()
    colleague.memberships.create(organization=organization, role="member")
    assert policies.barred(colleague, application).code == "own_organization"
    assert policies.barred(stories.reviewer(), application)


@pytest.mark.parametrize(
    "policy",
    [
        policies.can_take_application,
        policies.can_review_application,
        policies.can_request_changes,
        policies.can_declare_conflict,
        policies.can_decide_application,
    ],
)
def test_people_without_a_staff_role_do_nothing_here(policy):
    assert policy(UserFactory(), stories.in_review()).code == "no_permission"


@pytest.mark.parametrize("make_tied", [make_colleague, make_conflicted])
def test_a_tie_keeps_a_person_out_of_the_file_and_its_thread(make_tied):
    application = stories.in_review()
    tied = make_tied(UserFactory(permissions=[*BOTH, READ]), application)
    for policy in (
        policies.can_read_file,
        policies.can_reply_to_applicant,
        policies.can_waitlist_application,
    ):
        assert policy(tied, application).code in {"own_organization", "conflict"}


def test_reading_takes_the_permission_to():
    application = stories.in_review()
    assert policies.can_read_file(stories.reviewer(), application).code == "no_permission"
    assert policies.can_read_file(UserFactory(permissions=[READ]), application)


def test_who_has_taken_it_takes_it_once():
    application = stories.in_review()
    holder = application.assignment.reviewer
    assert policies.can_take_application(holder, application).code == "taken_already"
    assert policies.can_take_application(stories.reviewer(), application)


def test_an_appeal_is_not_put_off():
    application = stories.in_review()
    assert policies.can_waitlist_application(stories.decider(), application)
    application.status = "appealed"
    verdict = policies.can_waitlist_application(stories.decider(), application)
    assert verdict.code == "appeal_wants_answer"


def test_reviewers_see_others_opinions_after_their_own():
    application = stories.reviewed(times=1)
    reviewer, decider = stories.reviewer(), UserFactory(permissions=BOTH)
    looker = UserFactory(permissions=[READ])
    seen = [bool(policies.can_see_reviews(who, application)) for who in (reviewer, decider, looker)]
    assert seen == [False, True, True]
    stories.review(application, by=reviewer)
    assert policies.can_see_reviews(reviewer, application)
    application.status = "declined"
    assert policies.can_see_reviews(stories.reviewer(), application)


def test_a_decider_with_a_tie_does_not_resolve_a_conflict():
    application = stories.in_review()
    make_conflicted(stories.reviewer(), application)
    conflict = ConflictOfInterest.objects.get()
    tied = make_colleague(stories.decider(), application)
    assert policies.can_resolve_conflict(tied, conflict).code == "own_organization"
    assert policies.can_resolve_conflict(stories.decider(), conflict)


def leave(person, organization):
    services.remove_member(membership_id=person.memberships.get().pk, by=person)
    assert not organization.memberships.filter(user=person).exists()


def shared_by(person, application):
    """An organisation with an owner of its own, to which both belong."""
    organization = MembershipFactory().organization
    for member in (person, application.applicant):
        organization.memberships.create(user=member, role="member")
    return organization


@pytest.mark.parametrize("who", ["staff", "applicant"])
def test_leaving_the_organisation_lifts_no_bar(who):
    application, colleague = stories.in_review(), UserFactory(permissions=BOTH)
    organization = shared_by(colleague, application)
    leave({"staff": colleague, "applicant": application.applicant}[who], organization)
    assert policies.barred(colleague, application).code == "own_organization"
    assert policies.barred(stories.reviewer(), application)


def test_who_left_before_the_application_was_begun_is_a_stranger():
    application, colleague = stories.in_review(), UserFactory(permissions=BOTH)
    leave(colleague, shared_by(colleague, application))
    application.created_at = timezone.now()
    assert policies.barred(colleague, application)
