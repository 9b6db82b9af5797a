"""One application, put together to read like a file.

Each function makes one part of the page from stored rows; none decides anything.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django.utils import timezone

from accounts.models import User
from accounts.selectors import current_verifications
from portal.applications.enums import ApplicationStatus as S
from portal.applications.lifecycle import EVENT, HOLDER
from portal.applications.models import Application, Message, Revision
from portal.audit.presenters import present
from portal.audit.selectors import actor_name, people_in, timeline
from portal.credentials.selectors import places_taken
from portal.programs.models import Capability
from portal.programs.selectors import current_agreement, highest_tier
from portal.reviews import policies
from portal.reviews.differences import Item, compare_answers, compare_list
from portal.reviews.models import Review
from portal.reviews.selectors import PROMISED

NOBODY = "Nobody, it is closed"
PEN = {"applicant": "The applicant", "staff": "Reviewers", "nobody": NOBODY}
NEXT_STEP = {
    S.DRAFT: "The applicant finishes and submits it. Nothing can be read before.",
    S.SUBMITTED: "A reviewer takes it into review.",
    S.CHANGES_REQUESTED: "The applicant answers what was asked and submits again.",
    S.WAITLISTED: "When a place frees, a reviewer takes it back into review.",
    S.APPROVED: "The applicant signs the current agreement; the grant opens then.",
    S.DECLINED: "Nothing, unless the applicant appeals.",
    S.GRANTED: "Nothing here: the grant is in force, see its own page.",
}
_STATE_OF_EVENT = {event: state for state, event in EVENT.items()}
_MOST_EVENTS = 100


def header(application: Application) -> dict[str, Any]:
    """What anyone who may open the page sees, whatever their ties."""
    assignment = getattr(application, "assignment", None)
    due = due_at(application)
    return {
        "application": application,
        "pen": PEN[HOLDER[application.status]],
        "next_step": _next_step(application),
        "due_at": due,
        "overdue": bool(due and due < timezone.now()),
        "taken_by": assignment,
        "tier": highest_tier(application.phase.release, application.scopes),
        "conflicts": application.conflicts.select_related("person", "resolved_by"),
    }


def contents(user: User, application: Application) -> dict[str, Any]:
    """Everything else, for those without a tie."""
    messages = list(application.messages.select_related("author"))
    revisions = list(application.revisions.all()[:2])
    return {
        **_submission(application, revisions, messages),
        **_reviews(user, application),
        "capabilities": capabilities(application, revisions),
        "applicant_proofs": current_verifications(application.applicant),
        "organization_proofs": current_verifications(application.organization)
        if application.organization
        else [],
        "agreement": _agreement(application, revisions),
        "thread": _thread(messages, revisions),
        "decisions": application.decisions.select_related("decided_by", "revision"),
        "grant": getattr(application, "grant", None),
        "entries": _timeline(application),
    }


def due_at(application: Application) -> datetime | None:
    """Until when an answer is promised; None where no promise runs."""
    if application.status not in PROMISED or not application.submitted_at:
        return None
    appealed = application.status == S.APPEALED
    since = application.status_changed_at if appealed else application.submitted_at
    return since + timedelta(days=application.phase.review_days)


def quorum_progress(application: Application) -> SimpleNamespace:
    """How many reviews of the latest revision count, of how many, at which tier, and whether they
    carry an approval.
    """
    tier = highest_tier(application.phase.release, application.scopes)
    needed = application.phase.reviewers_needed(tier)
    reviews = policies.counted_reviews(application)
    return SimpleNamespace(
        tier=tier,
        needed=needed,
        count=len(reviews),
        verdict=policies.carried_by(reviews, application),
    )


def outlook(application: Application) -> dict[str, Any]:
    """What an approval would meet and do: standing, quorum, places, agreement."""
    progress = quorum_progress(application)
    taken = places_taken(application.phase)
    agreement = current_agreement(application.phase.release)
    signed = not agreement or agreement.signatures.filter(user=application.applicant_id).exists()
    return {
        "standing": policies.standing(application),
        "quorum": progress,
        "places_left": max(application.phase.capacity - taken, 0),
        "signed": signed,
        "tier": progress.tier,
    }


def capabilities(application: Application, revisions: list[Revision]) -> list[SimpleNamespace]:
    """What is asked for, against the previous submission and the phase's ceiling."""
    now = revisions[0].snapshot["scopes"] if revisions else []
    before = revisions[1].snapshot["scopes"] if len(revisions) > 1 else now
    known = {
        each.scope: each for each in Capability.objects.filter(release=application.phase.release)
    }
    ceiling = set(application.phase.capabilities.values_list("scope", flat=True))
    return [
        SimpleNamespace(
            scope=piece.text,
            capability=known.get(piece.text),
            within=piece.text in ceiling,
            approved=piece.text in application.approved_scopes,
            change="" if piece.kind == "same" else piece.kind,
        )
        for piece in compare_list(before, now)
    ]


def _next_step(application: Application) -> str:
    if application.status in policies.UNDER_REVIEW:
        progress = quorum_progress(application)
        missing = progress.needed - progress.count
        if missing > 0:
            more = "1 more review" if missing == 1 else f"{missing} more reviews"
            return f"{more} needed at the {progress.tier.label.lower()} tier."
        return "The reviews are in: it can be decided."
    return NEXT_STEP.get(S(application.status), "Nothing: it is closed.")


def _submission(
    application: Application, revisions: list[Revision], messages: list[Message]
) -> dict[str, Any]:
    if not revisions:
        return {"revision": None}
    latest, previous = revisions[0], revisions[1] if len(revisions) > 1 else None
    items = compare_answers(latest.snapshot, previous.snapshot if previous else None)
    return {
        "revision": latest,
        "previous": previous,
        "sections": _by_section(items, messages, previous),
        "changed": sum(bool(item.change) for item in items),
        "organization_then": latest.snapshot.get("organization", ""),
    }


def _thread(messages: list[Message], revisions: list[Revision]) -> list[tuple[Message, str]]:
    """Each with the prompt of the answer it is about."""
    prompts = {
        each["key"]: each["prompt"]
        for revision in revisions
        for each in revision.snapshot["answers"]
    }
    return [(message, prompts.get(message.question, "")) for message in messages]


def _by_section(
    items: Iterable[Item], messages: list[Message], previous: Revision | None
) -> list[tuple[str, list[tuple[Item, list[Message]]]]]:
    sections: dict[str, list[tuple[Item, list[Message]]]] = {}
    for item in items:
        asks = _asked(messages, item.key, previous)
        sections.setdefault(item.section, []).append((item, asks))
    return list(sections.items())


def _asked(messages: list[Message], key: str, previous: Revision | None) -> list[Message]:
    """Changes asked for on this question since the previous submission."""
    return [
        message
        for message in messages
        if message.question == key
        and (previous is None or message.sent_at >= previous.submitted_at)
    ]


def _reviews(user: User, application: Application) -> dict[str, Any]:
    may_see = policies.can_see_reviews(user, application)
    reviews = Review.objects.filter(revision__application=application).select_related(
        "reviewer", "revision"
    )
    shown = list(reviews.order_by("-recorded_at"))
    return {
        "reviews": shown if may_see else [each for each in shown if each.reviewer_id == user.pk],
        "reviews_hidden": 0 if may_see else len([r for r in shown if r.reviewer_id != user.pk]),
        "reviews_verdict": may_see,
    }


def _agreement(application: Application, revisions: list[Revision]) -> SimpleNamespace | None:
    current = current_agreement(application.phase.release)
    if not current:
        return None
    signature = (
        application.applicant.signatures.filter(agreement__release=application.phase.release)
        .select_related("agreement")
        .order_by("-agreement__number")
        .first()
    )
    return SimpleNamespace(
        current=current,
        signature=signature,
        is_current=bool(signature and signature.agreement_id == current.pk),
        with_submission=revisions[0].snapshot.get("agreement") if revisions else None,
    )


def _timeline(application: Application) -> list[SimpleNamespace]:
    events = list(timeline(application.ref)[:_MOST_EVENTS])
    people = people_in(events)
    return [
        SimpleNamespace(
            title=present(event.kind),
            at=event.at,
            by=actor_name(event.actor, people),
            status=_STATE_OF_EVENT.get(event.kind, ""),
        )
        for event in events
    ]


def age(since: datetime | None) -> str:
    """How long ago, in the one unit that matters: 3 hours, 12 days."""
    if since is None:
        return ""
    return in_days(timezone.now() - since)


def in_days(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    if hours < 1:
        return "under an hour"
    number, unit = (hours, "hour") if hours < 24 else (hours // 24, "day")
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
