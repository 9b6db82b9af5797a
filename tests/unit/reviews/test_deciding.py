"""Approving, declining, waiting."""

from datetime import date

import pytest
from django.db import DatabaseError, transaction

from portal.applications.services import (
    appeal_application,
    submit_application,
)
from portal.errors import Conflict, Invalid, InvalidTransition, NotAllowed
from portal.mail.models import OutgoingMail
from portal.reviews.casefile import quorum_progress
from portal.reviews.enums import DecisionReason
from portal.reviews.models import Decision
from portal.reviews.services import (
    approve_application,
    declare_conflict,
    decline_application,
    record_review,
    request_changes,
    take_application,
    waitlist_application,
)
from tests.factories import stories
from tests.factories.accounts import UserFactory, suspend
from tests.factories.stories import decline
from tests.log import written

pytestmark = pytest.mark.django_db


def appealed(application=None):
    application = decline(application or stories.reviewed())
    appeal_application(application_id=application.pk, text="Look again.", by=application.applicant)
    return stories.again(application)


@pytest.mark.parametrize(
    "reason", [code for code in DecisionReason.values if code != "meets_criteria"]
)
def test_declining_gives_a_reason_words_and_a_day(reason):
    application, decider = stories.in_review(), stories.decider()
    day = date(2031, 1, 1)
    with written() as log:
        decline(application, by=decider, reason_code=reason, may_reapply_from=day)
    decision = Decision.objects.get()
    assert log == [
        ("review.decided", decision.ref, application.ref, decider.ref),
        ("application.declined", application.ref, application.ref, decider.ref),
    ]
    assert (decision.outcome, decision.reason_code, decision.text, decision.may_reapply_from) == (
        "declined",
        reason,
        "Not now.",
        day,
    )
    mail = OutgoingMail.objects.latest("id")
    assert (mail.template, mail.context["text"], mail.context["final"]) == (
        "applications/declined",
        "Not now.",
        False,
    )


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"reason_code": "meets_criteria"}, "reason_missing"),
        ({"reason_code": "because"}, "reason_missing"),
        ({"text": "  "}, "text_missing"),
        ({"text": "x" * 5001}, "text_long"),
    ],
)
def test_declining_without_a_reason_or_words_is_refused(given, code):
    application = stories.in_review()
    with pytest.raises(Invalid) as refused:
        decline(application, **given)
    assert (refused.value.code, Decision.objects.count()) == (code, 0)


def test_one_no_stops_approval_and_a_new_revision_starts_afresh():
    application = stories.in_review()
    stories.review(application)
    stories.review(application, recommendation="decline")
    with pytest.raises(NotAllowed) as refused:
        stories.approve(application)
    assert refused.value.code == "a_reviewer_said_no"


def test_what_somebody_with_a_conflict_wrote_does_not_count():
    application, tied = stories.in_review(), stories.reviewer()
    stories.review(application, by=tied)
    declare_conflict(application_id=application.pk, kind="real", detail="My brother.", by=tied)
    with pytest.raises(NotAllowed) as refused:
        stories.approve(application)
    assert refused.value.code == "quorum_missing"
    stories.review(application)
    assert stories.approve(application).status == "granted"


def strip_role(person):
    person.user_permissions.clear()


@pytest.mark.parametrize("lose", [suspend, strip_role])
def test_a_yes_counts_while_its_author_may_review(lose):
    application, left = stories.in_review(scopes=[stories.ELEVATED]), stories.reviewer()
    stories.review(application, by=left)
    stories.review(application)
    lose(left)
    with pytest.raises(NotAllowed) as refused:
        stories.approve(application)
    assert refused.value.code == "quorum_missing"
    assert refused.value.message.startswith("1 of 2 reviewers needed")
    assert quorum_progress(application).count == 1
    stories.review(application)
    assert stories.approve(application).status == "granted"


def test_a_closed_account_s_yes_does_not_count():
    application, left = stories.in_review(), stories.reviewer()
    stories.review(application, by=left)
    left.is_active = False
    left.save(update_fields=["is_active"])
    with pytest.raises(NotAllowed) as refused:
        stories.approve(application)
    assert refused.value.code == "quorum_missing"


@pytest.mark.parametrize("lose", [suspend, strip_role])
def test_a_no_is_not_silenced_by_taking_its_author_s_role(lose):
    application, left = stories.in_review(), stories.reviewer()
    stories.review(application)
    stories.review(application, by=left, recommendation="decline")
    lose(left)
    with pytest.raises(NotAllowed) as refused:
        stories.approve(application)
    assert refused.value.code == "a_reviewer_said_no"


def second_revision(application):
    """The applicant answered a change request, and somebody has taken it again."""
    request_changes(
        application_id=application.pk,
        revision=stories.read(application.pk),
        notes={"": "Be precise."},
        by=stories.reviewer(),
    )
    submit_application(application_id=application.pk, by=application.applicant)
    take_application(application_id=application.pk, by=stories.reviewer(), from_colleague=True)
    return stories.again(application)


RULINGS = {
    "review": lambda a, n: record_review(
        application_id=a.pk,
        revision=n,
        recommendation="approve",
        scores=stories.SCORES,
        comment="Fine.",
        by=stories.reviewer(),
    ),
    "approve": lambda a, n: approve_application(
        application_id=a.pk, revision=n, scopes=a.scopes, text="", by=stories.decider()
    ),
    "decline": lambda a, n: decline_application(
        application_id=a.pk,
        revision=n,
        reason_code="risk_too_high",
        text="No.",
        by=stories.decider(),
    ),
    "waitlist": lambda a, n: waitlist_application(
        application_id=a.pk, revision=n, text="Later.", by=stories.decider()
    ),
}


@pytest.mark.parametrize("act", RULINGS)
def test_an_opinion_or_ruling_is_about_the_revision_that_was_read(act):
    application = second_revision(stories.in_review())
    stories.review(application)
    for number in (1, 3):
        with written() as log, pytest.raises(Conflict) as refused:
            RULINGS[act](application, number)
        assert (refused.value.code, log) == ("revision_changed", [])
    assert (stories.again(application).status, Decision.objects.count()) == ("in_review", 0)
    done = RULINGS[act](application, 2)
    judged = done if act == "review" else Decision.objects.get()
    assert judged.revision.number == 2


def test_the_waiting_list_and_back():
    application, decider = stories.reviewed(), stories.decider()
    with written() as log:
        waitlist_application(
            application_id=application.pk,
            revision=stories.read(application.pk),
            text="No place yet.",
            by=decider,
        )
    decision = Decision.objects.get()
    assert log == [
        ("review.decided", decision.ref, application.ref, decider.ref),
        ("application.waitlisted", application.ref, application.ref, decider.ref),
    ]
    assert (decision.outcome, decision.reason_code) == ("waitlisted", "no_place")
    with pytest.raises(NotAllowed):
        stories.approve(application)
    reviewer = stories.reviewer()
    with written() as log:
        take_application(application_id=application.pk, by=reviewer, from_colleague=True)
    assert log == [
        ("review.assigned", application.ref, application.ref, reviewer.ref),
        ("application.taken_into_review", application.ref, application.ref, reviewer.ref),
    ]
    # What reviewers said of this revision still counts.
    assert stories.approve(stories.again(application)).status == "granted"


def test_an_appeal_starts_from_no_reviews():
    application = appealed()
    with pytest.raises(NotAllowed) as refused:
        stories.approve(application)
    assert refused.value.code == "quorum_missing"
    stories.review(application)
    assert stories.approve(application).status == "granted"


@pytest.mark.parametrize("role", ["reviewer", "decider"])
def test_an_appeal_is_for_people_new_to_it(role):
    permissions = ["reviews.review_application", "reviews.decide_application"]
    person = UserFactory(permissions=permissions)
    application = stories.in_review()
    if role == "reviewer":
        stories.review(application, by=person, recommendation="decline")
        decline(application)
    else:
        decline(application, by=person)
    appeal_application(application_id=application.pk, text="Look again.", by=application.applicant)
    for act in (
        lambda: stories.review(application, by=person),
        lambda: decline(application, by=person),
        lambda: stories.approve(application, by=person),
    ):
        with written() as log, pytest.raises(NotAllowed) as refused:
            act()
        assert (refused.value.code, log) == ("appeal_needs_others", [])


def test_declining_an_appeal_is_final():
    application = decline(appealed())
    assert application.status == "declined_final"
    assert Decision.objects.latest("decided_at").outcome == "declined_final"
    assert OutgoingMail.objects.latest("id").context["final"] is True


def test_an_appeal_cannot_be_put_on_the_waiting_list():
    application = appealed()
    with pytest.raises((NotAllowed, InvalidTransition)):
        waitlist_application(
            application_id=application.pk,
            revision=stories.read(application.pk),
            text="Later.",
            by=stories.decider(),
        )
    assert stories.again(application).status == "appealed"


def test_a_decision_never_changes():
    stories.approve(stories.reviewed())
    before = Decision.objects.values().get()
    with pytest.raises(DatabaseError), transaction.atomic():
        Decision.objects.update(text="Something else.")
    assert Decision.objects.values().get() == before
