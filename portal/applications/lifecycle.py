"""The application's state machine, as data. docs/states.md is generated from it."""

from collections.abc import Mapping

from portal.applications.enums import ApplicationStatus as S
from portal.applications.enums import Holder

TRANSITIONS: Mapping[str, frozenset[str]] = {
    S.DRAFT: frozenset({S.SUBMITTED, S.WITHDRAWN, S.EXPIRED}),
    S.SUBMITTED: frozenset({S.IN_REVIEW, S.CHANGES_REQUESTED, S.WITHDRAWN}),
    S.IN_REVIEW: frozenset(
        {S.APPROVED, S.DECLINED, S.WAITLISTED, S.CHANGES_REQUESTED, S.WITHDRAWN}
    ),
    S.CHANGES_REQUESTED: frozenset({S.SUBMITTED, S.WITHDRAWN, S.EXPIRED}),
    S.WAITLISTED: frozenset({S.IN_REVIEW, S.WITHDRAWN}),
    S.APPROVED: frozenset({S.GRANTED, S.LAPSED, S.WITHDRAWN}),
    S.DECLINED: frozenset({S.APPEALED}),
    S.APPEALED: frozenset({S.APPROVED, S.DECLINED_FINAL, S.WITHDRAWN}),
    S.GRANTED: frozenset(),
    S.LAPSED: frozenset(),
    S.DECLINED_FINAL: frozenset(),
    S.WITHDRAWN: frozenset(),
    S.EXPIRED: frozenset(),
}

HOLDER: Mapping[str, Holder] = {
    S.DRAFT: Holder.APPLICANT,
    S.SUBMITTED: Holder.STAFF,
    S.IN_REVIEW: Holder.STAFF,
    S.CHANGES_REQUESTED: Holder.APPLICANT,
    S.WAITLISTED: Holder.STAFF,
    S.APPROVED: Holder.APPLICANT,
    S.DECLINED: Holder.APPLICANT,
    S.APPEALED: Holder.STAFF,
    S.GRANTED: Holder.NOBODY,
    S.LAPSED: Holder.NOBODY,
    S.DECLINED_FINAL: Holder.NOBODY,
    S.WITHDRAWN: Holder.NOBODY,
    S.EXPIRED: Holder.NOBODY,
}

# The event written when a state is entered.
EVENT: Mapping[str, str] = {
    S.DRAFT: "application.started",
    S.SUBMITTED: "application.submitted",
    S.IN_REVIEW: "application.taken_into_review",
    S.CHANGES_REQUESTED: "application.changes_requested",
    S.WAITLISTED: "application.waitlisted",
    S.APPROVED: "application.approved",
    S.GRANTED: "application.granted",
    S.LAPSED: "application.lapsed",
    S.DECLINED: "application.declined",
    S.APPEALED: "application.appealed",
    S.DECLINED_FINAL: "application.declined_final",
    S.WITHDRAWN: "application.withdrawn",
    S.EXPIRED: "application.expired",
}

# Where the applicant may write, and where it still stands for something.
EDITABLE: frozenset[str] = frozenset({S.DRAFT, S.CHANGES_REQUESTED})
OPEN: frozenset[str] = frozenset(state for state in S if TRANSITIONS[state] - {S.APPEALED})
