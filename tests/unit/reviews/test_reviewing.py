"""Taking, reviewing, asking for changes, declaring ties."""

import pytest

from portal.applications.services import save_answers, submit_application
from portal.errors import Conflict, Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from portal.reviews.models import Assignment, Review
from portal.reviews.policies import can_review_application
from portal.reviews.services import (
    declare_conflict,
    record_review,
    request_changes,
    resolve_conflict,
    take_application,
)
from tests.factories import stories
from tests.factories.accounts import UserFactory
from tests.log import written

pytestmark = pytest.mark.django_db


def take(application, *, by, **more):
    return take_application(application_id=application.pk, by=by, **more)


def ask(application, *, by=None, **notes):
    return request_changes(
        application_id=application.pk,
        revision=stories.read(application.pk),
        notes=notes or {"purpose": "Be precise."},
        by=by or stories.reviewer(),
    )


def test_taking_moves_it_into_review_under_ones_name():
    application, reviewer = stories.submitted(), stories.reviewer()
    with written() as log:
        take(application, by=reviewer)
    assert log == [
        ("review.assigned", application.ref, application.ref, reviewer.ref),
        ("application.taken_into_review", application.ref, application.ref, reviewer.ref),
    ]
    assert stories.again(application).status == "in_review"


def test_a_colleagues_application_is_taken_over_only_knowingly():
    application, first, second = stories.submitted(), stories.reviewer(), stories.reviewer()
    take(application, by=first)
    with written() as log, pytest.raises(Conflict) as refused:
        take(application, by=second)
    assert (refused.value.code, log, Assignment.objects.get().reviewer) == ("taken", [], first)
    with written() as log:
        take(application, by=second, from_colleague=True)
    assert log == [("review.assigned", application.ref, application.ref, second.ref)]
    assert Assignment.objects.get().reviewer == second


def test_a_review_is_kept_with_its_scores_and_never_recorded_twice():
    application, reviewer = stories.in_review(), stories.reviewer()
    with written() as log:
        review = stories.review(application, by=reviewer)
    assert log == [("review.recorded", review.ref, application.ref, reviewer.ref)]
    assert (review.recommendation, review.score_need, review.comment) == (
        "approve",
        4,
        "Looked at it.",
    )
    with written() as log, pytest.raises(NotAllowed) as refused:
        stories.review(application, by=reviewer)
    assert (refused.value.code, log, Review.objects.count()) == ("reviewed_already", [], 1)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"comment": "  "}, {"comment"}),
        ({"comment": "x" * 5001}, {"comment"}),
        ({"recommendation": "perhaps"}, {"recommendation"}),
        ({"scores": {**stories.SCORES, "score_need": 6}}, {"score_need"}),
        ({"scores": {**stories.SCORES, "score_safeguards": 0}}, {"score_safeguards"}),
        ({"scores": {"score_need": 3, "score_safeguards": 3}}, {"score_track_record"}),
    ],
)
def test_a_review_that_is_not_sound_names_its_fields(change, fields):
    application = stories.in_review()
    given = {"recommendation": "approve", "scores": stories.SCORES, "comment": "Fine."} | change
    with written() as log, pytest.raises(Invalid) as refused:
        record_review(
            application_id=application.pk,
            revision=stories.read(application.pk),
            by=stories.reviewer(),
            **given,
        )
    assert (set(refused.value.fields), log, Review.objects.count()) == (fields, [], 0)


def test_reviewing_waits_until_it_is_in_review():
    with pytest.raises(NotAllowed) as refused:
        stories.review(stories.submitted())
    assert refused.value.code == "not_under_review"


def test_what_cannot_be_taken_is_not_said_to_wait_for_that():
    declined, reviewer = stories.decline(stories.reviewed()), stories.reviewer()
    assert "Take it" not in can_review_application(reviewer, declined).reason
    assert "Take it" in can_review_application(reviewer, stories.submitted()).reason


def test_asking_for_changes_hands_the_pen_back_with_a_note_beside_each_question():
    application, reviewer = stories.in_review(), stories.reviewer()
    notes = {"purpose": " Be precise. ", "": "Thank you so far."}
    with written() as log:
        ask(application, by=reviewer, **notes)
    assert log == [
        ("application.changes_requested", application.ref, application.ref, reviewer.ref)
    ]
    application.refresh_from_db()
    assert application.status == "changes_requested"
    assert application.expires_at > application.status_changed_at
    assert {(m.question, m.body, m.from_staff) for m in application.messages.all()} == {
        ("purpose", "Be precise.", True),
        ("", "Thank you so far.", True),
    }
    assert OutgoingMail.objects.latest("id").template == "applications/changes_requested"


@pytest.mark.parametrize(
    ("notes", "code"),
    [
        ({"purpose": "  "}, "notes_missing"),
        ({"other": "What?"}, "question_unknown"),
        ({"purpose": "x" * 5001}, "notes_too_long"),
    ],
)
def test_a_change_request_that_says_nothing_sound_is_refused(notes, code):
    application = stories.in_review()
    with written() as log, pytest.raises(Invalid) as refused:
        ask(application, **notes)
    assert (refused.value.code, log) == (code, [])
    assert (stories.again(application).status, application.messages.count()) == ("in_review", 0)


def test_after_a_resubmission_everybody_reviews_anew():
    application, reviewer = stories.in_review(), stories.reviewer()
    stories.review(application, by=reviewer, recommendation="decline")
    ask(application)
    application.refresh_from_db()
    save_answers(
        application_id=application.pk,
        version=application.version,
        answers={"purpose": "Phishing only."},
        by=application.applicant,
    )
    submit_application(application_id=application.pk, by=application.applicant)
    take(application, by=reviewer, from_colleague=True)
    stories.review(application, by=reviewer)
    assert stories.approve(stories.again(application)).status == "granted"


def declare(application, *, by, kind="apparent"):
    return declare_conflict(application_id=application.pk, kind=kind, detail="We met.", by=by)


@pytest.mark.parametrize("resolution", ["recused", "waived"])
def test_a_declared_conflict_bars_until_it_is_waived(resolution):
    application, reviewer, decider = stories.in_review(), stories.reviewer(), stories.decider()
    with written() as log:
        conflict = declare(application, by=reviewer)
    assert log == [("review.conflict_declared", conflict.ref, application.ref, reviewer.ref)]
    with pytest.raises(NotAllowed) as refused:
        stories.review(application, by=reviewer)
    assert refused.value.code == "conflict"
    with written() as log:
        resolve_conflict(conflict_id=conflict.pk, resolution=resolution, by=decider)
    assert log == [("review.conflict_resolved", conflict.ref, application.ref, decider.ref)]
    conflict.refresh_from_db()
    assert (conflict.resolution, conflict.resolved_by) == (resolution, decider)
    if resolution == "waived":
        assert stories.review(application, by=reviewer)
    else:
        with pytest.raises(NotAllowed):
            stories.review(application, by=reviewer)


def test_a_conflict_is_declared_once_completely_and_resolved_by_another():
    application, reviewer = stories.in_review(), stories.reviewer()
    with pytest.raises(Invalid):
        declare(application, by=reviewer, kind="tiny")
    with pytest.raises(NotAllowed) as refused:
        declare(application, by=UserFactory())
    assert refused.value.code == "no_permission"
    both = UserFactory(permissions=["reviews.review_application", "reviews.waive_conflict"])
    conflict = declare(application, by=both)
    with pytest.raises(NotAllowed) as refused:
        declare(application, by=both)
    assert refused.value.code == "declared_already"
    for by, code in ((both, "own_conflict"), (reviewer, "no_permission")):
        with pytest.raises(NotAllowed) as refused:
            resolve_conflict(conflict_id=conflict.pk, resolution="waived", by=by)
        assert refused.value.code == code
    with pytest.raises(Invalid):
        resolve_conflict(conflict_id=conflict.pk, resolution="open", by=stories.decider())
    resolve_conflict(conflict_id=conflict.pk, resolution="recused", by=stories.decider())
    with pytest.raises(NotAllowed) as refused:
        resolve_conflict(conflict_id=conflict.pk, resolution="waived", by=stories.decider())
    assert refused.value.code == "resolved_already"


def test_a_conflict_is_too_late_once_all_is_over():
    application = stories.opened().application
    with pytest.raises(NotAllowed) as refused:
        declare(application, by=stories.reviewer())
    assert refused.value.code == "closed"
