"""From the queue to an opinion."""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.applications import notices
from portal.applications.enums import ApplicationStatus as S
from portal.applications.models import Application, Message
from portal.applications.services import move_application, send_message
from portal.applications.services.moving import lock_application
from portal.audit.services import record_event
from portal.errors import Conflict, Invalid
from portal.reviews import policies
from portal.reviews.enums import Recommendation
from portal.reviews.models import Assignment, Review
from portal.reviews.services.reading import read_revision

ANSWER_CHANGES_WITHIN = timedelta(days=30)
MOST_TEXT = 5000
Scores = dict[str, int]  # score_need, score_safeguards, score_track_record: 1 to 5


@transaction.atomic
def take_application(*, application_id: int, by: User, from_colleague: bool = False) -> Assignment:
    """Put one's name to it; a submitted or waitlisted one goes into review.

    Taking over from a colleague has to be asked for: otherwise Conflict says who has it.
    """
    application = lock_application(application_id)
    policies.can_take_application(by, application).enforce()
    assignment = Assignment.objects.filter(application=application).first()
    if assignment and assignment.reviewer_id != by.pk and not from_colleague:
        raise Conflict("taken", f"{assignment.reviewer} has taken {application.ref} already.")
    assignment, _created = Assignment.objects.update_or_create(
        application=application, defaults={"reviewer": by, "assigned_at": timezone.now()}
    )
    record_event("review.assigned", subject=application.ref, thread=application.ref, by=by)
    if application.status in (S.SUBMITTED, S.WAITLISTED):
        move_application(application, to=S.IN_REVIEW, by=by)
    return assignment


@transaction.atomic
def record_review(
    *,
    application_id: int,
    revision: int,
    recommendation: str,
    scores: Scores,
    comment: str,
    by: User,
) -> Review:
    """One opinion a person on a revision, named by its number; it is never changed afterwards."""
    application = lock_application(application_id)
    policies.can_review_application(by, application).enforce()
    review = Review(
        revision=read_revision(application, revision),
        reviewer=by,
        recommendation=recommendation,
        comment=comment.strip(),
        **scores,
    )
    _must_be_sound(review)
    review.save()
    record_event(
        "review.recorded",
        subject=review.ref,
        thread=application.ref,
        by=by,
        payload={"recommendation": Recommendation(recommendation), **scores},
    )
    return review


@transaction.atomic
def request_changes(
    *, application_id: int, revision: int, notes: dict[str, str], by: User
) -> Application:
    """Hand the pen back. `notes` maps a question's key, or "" for the whole, to what to change;
    `revision` is the number of the one they are about.
    """
    application = lock_application(application_id)
    policies.can_request_changes(by, application).enforce()
    read_revision(application, revision)
    kept = {key: text.strip() for key, text in notes.items() if text.strip()}
    if not kept:
        raise Invalid("notes_missing", "Say what should change.", {"notes": "Say what to change."})
    if any(len(text) > MOST_TEXT for text in kept.values()):
        raise Invalid("notes_too_long", "Write at most 5,000 characters for each.")
    known = set(application.phase.questions.values_list("key", flat=True)) | {""}
    if set(kept) - known:
        raise Invalid("question_unknown", "Choose a question of this form.")
    Message.objects.bulk_create(
        Message(application=application, author=by, from_staff=True, question=key, body=text)
        for key, text in kept.items()
    )
    move_application(
        application,
        to=S.CHANGES_REQUESTED,
        by=by,
        expires_at=timezone.now() + ANSWER_CHANGES_WITHIN,
        payload={"questions": sorted(kept)},
    )
    notices.changes_requested(application)
    return application


@transaction.atomic
def reply_to_applicant(*, application_id: int, body: str, by: User) -> Message:
    """Write in the thread as staff; the applicant is told by mail."""
    application = lock_application(application_id)
    policies.can_reply_to_applicant(by, application).enforce()
    return send_message(application_id=application_id, body=body, by=by)


def _must_be_sound(review: Review) -> None:
    if len(review.comment) > MOST_TEXT:
        raise Invalid(
            "review_invalid",
            "Correct the marked fields.",
            {"comment": "Write at most 5,000 characters."},
        )
    try:
        review.full_clean()
    except ValidationError as error:
        fields = {name: " ".join(texts) for name, texts in error.message_dict.items()}
        raise Invalid("review_invalid", "Correct the marked fields.", fields) from error
