"""Everything staff do with an application, split by verb."""

from portal.reviews.services.conflicts import declare_conflict, resolve_conflict
from portal.reviews.services.deciding import (
    TAKE_OFFER_WITHIN,
    approve_application,
    decline_application,
    waitlist_application,
)
from portal.reviews.services.reviewing import (
    ANSWER_CHANGES_WITHIN,
    record_review,
    reply_to_applicant,
    request_changes,
    take_application,
)

__all__ = [
    "ANSWER_CHANGES_WITHIN",
    "TAKE_OFFER_WITHIN",
    "approve_application",
    "declare_conflict",
    "decline_application",
    "record_review",
    "reply_to_applicant",
    "request_changes",
    "resolve_conflict",
    "take_application",
    "waitlist_application",
]
