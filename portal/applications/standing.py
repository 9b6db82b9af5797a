"""Where an application stands, in the applicant's words: whose turn, what next, by when."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from portal.applications.enums import ApplicationStatus as S
from portal.applications.enums import Holder
from portal.applications.lifecycle import HOLDER
from portal.applications.models import Application

# status: (what is true now, what happens next)
_WORDS: dict[str, tuple[str, str]] = {
    S.DRAFT: (
        "It is a draft. Nobody else has seen it.",
        "Finish the parts below and submit it.",
    ),
    S.SUBMITTED: (
        "We have it, and nobody needs anything from you now.",
        "A reviewer takes it up, reads it, and may ask you something in the messages.",
    ),
    S.IN_REVIEW: (
        "Reviewers are reading it. How many depends on the risk of what you ask for.",
        "We decide and write to you, or ask you to change something first.",
    ),
    S.CHANGES_REQUESTED: (
        "Our reviewers ask you to change something before they go on.",
        "Change what is marked and submit again. Your place in the queue is kept.",
    ),
    S.WAITLISTED: (
        "It is good enough, but every place of this phase is taken.",
        "When a place frees we take it up again. You need not do anything.",
    ),
    S.APPROVED: (
        "It is approved, and a place is held for you.",
        "Read and sign the current terms to take the place up.",
    ),
    S.GRANTED: (
        "It is granted. Your access page says what works now.",
        "Your keys, what they may do and whether they work stand on the access page.",
    ),
    S.LAPSED: (
        "It was approved, but the offer was not taken up in time and the place went on.",
        "You can apply again while the phase is open.",
    ),
    S.DECLINED: (
        "It was declined.",
        "If we got something wrong you can appeal, once; other reviewers then look again.",
    ),
    S.APPEALED: (
        "You have appealed.",
        "Other reviewers than before look at it. Their decision is final.",
    ),
    S.DECLINED_FINAL: (
        "It was declined after your appeal. This is final.",
        "Nothing more happens here.",
    ),
    S.WITHDRAWN: (
        "You have withdrawn it.",
        "Nothing more happens here. You can apply again while the phase is open.",
    ),
    S.EXPIRED: (
        "It was not finished in time.",
        "Nothing more happens here. You can apply again while the phase is open.",
    ),
}
_PEN = {
    Holder.APPLICANT: "You",
    Holder.STAFF: "Our reviewers",
    Holder.NOBODY: "Nobody: it is settled",
}


@dataclass(frozen=True)
class Standing:
    now: str
    next: str
    pen: str
    by: datetime | None
    late: bool


def standing(application: Application) -> Standing:
    """What the status page says."""
    now, following = _WORDS[application.status]
    by = _by(application)
    late = by is not None and by < timezone.now()
    pen = _PEN[HOLDER[application.status]]
    return Standing(now=now, next=following, pen=pen, by=by, late=late)


def _by(application: Application) -> datetime | None:
    """Staff's promise while it is their turn; else when time runs out for the applicant."""
    if application.status in (S.SUBMITTED, S.IN_REVIEW, S.APPEALED):
        appealed = application.status == S.APPEALED
        since = application.status_changed_at if appealed else application.submitted_at
        return since + timedelta(days=application.phase.review_days) if since else None
    return application.expires_at
