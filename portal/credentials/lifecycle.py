"""State machines of grants, credentials and revocations, as data."""

from collections.abc import Mapping
from datetime import timedelta

from portal.credentials.enums import CredentialStatus as C
from portal.credentials.enums import GrantStatus as G
from portal.credentials.enums import ReissueStatus as I
from portal.credentials.enums import RevocationStatus as R

CLAIM_WITHIN = timedelta(days=7)

GRANT_TRANSITIONS: Mapping[str, frozenset[str]] = {
    G.SCHEDULED: frozenset({G.ACTIVATING, G.ENDED, G.REVOKED, G.WITHDRAWN}),
    G.ACTIVATING: frozenset({G.ACTIVE, G.ACTIVATION_FAILED, G.ENDED, G.REVOKED, G.WITHDRAWN}),
    G.ACTIVATION_FAILED: frozenset({G.ACTIVATING, G.ENDED, G.REVOKED, G.WITHDRAWN}),
    G.ACTIVE: frozenset({G.SUSPENDED, G.ENDED, G.REVOKED, G.WITHDRAWN}),
    G.SUSPENDED: frozenset({G.ACTIVE, G.ENDED, G.REVOKED}),
    G.ENDED: frozenset(),
    G.REVOKED: frozenset(),
    G.WITHDRAWN: frozenset(),
}

GRANT_EVENT: Mapping[str, str] = {
    G.SCHEDULED: "grant.scheduled",
    G.ACTIVATING: "grant.opened",
    G.ACTIVATION_FAILED: "grant.activation_failed",
    G.ACTIVE: "grant.activated",
    G.SUSPENDED: "grant.suspended",
    G.ENDED: "grant.ended",
    G.REVOKED: "grant.revoked",
    G.WITHDRAWN: "grant.withdrawn",
}

CREDENTIAL_TRANSITIONS: Mapping[str, frozenset[str]] = {
    C.REQUESTED: frozenset({C.READY, C.REVOKED, C.LAPSED}),
    C.READY: frozenset({C.ACTIVE, C.LAPSED, C.REVOKED}),
    C.ACTIVE: frozenset({C.RETIRED, C.REVOKED, C.EXPIRED}),
    C.RETIRED: frozenset(),
    C.REVOKED: frozenset(),
    C.EXPIRED: frozenset(),
    C.LAPSED: frozenset(),
}

CREDENTIAL_EVENT: Mapping[str, str] = {
    C.REQUESTED: "credential.requested",
    C.READY: "credential.ready",
    C.ACTIVE: "credential.claimed",
    C.RETIRED: "credential.retired",
    C.REVOKED: "credential.revoked",
    C.EXPIRED: "credential.expired",
    C.LAPSED: "credential.lapsed",
}

REVOCATION_TRANSITIONS: Mapping[str, frozenset[str]] = {
    R.DRAFTED: frozenset({R.PREVIEWED, R.CANCELLED, R.EXPIRED}),
    R.PREVIEWED: frozenset({R.AWAITING_SECOND, R.RUNNING, R.CANCELLED, R.EXPIRED}),
    R.AWAITING_SECOND: frozenset({R.RUNNING, R.CANCELLED, R.EXPIRED}),
    R.RUNNING: frozenset({R.COMPLETED, R.COMPLETED_WITH_STRAGGLERS}),
    R.COMPLETED_WITH_STRAGGLERS: frozenset({R.COMPLETED}),
    R.COMPLETED: frozenset(),
    R.CANCELLED: frozenset(),
    R.EXPIRED: frozenset(),
}

REVOCATION_EVENT: Mapping[str, str] = {
    R.DRAFTED: "revocation.drafted",
    R.PREVIEWED: "revocation.previewed",
    R.AWAITING_SECOND: "revocation.second_asked",
    R.RUNNING: "revocation.confirmed",
    R.COMPLETED: "revocation.completed",
    R.COMPLETED_WITH_STRAGGLERS: "revocation.completed_with_stragglers",
    R.CANCELLED: "revocation.cancelled",
    R.EXPIRED: "revocation.expired",
}

REISSUE_TRANSITIONS: Mapping[str, frozenset[str]] = {
    I.PREVIEWED: frozenset({I.AWAITING_SECOND, I.RUNNING, I.CANCELLED, I.EXPIRED}),
    I.AWAITING_SECOND: frozenset({I.RUNNING, I.CANCELLED, I.EXPIRED}),
    I.RUNNING: frozenset({I.COMPLETED}),
    I.COMPLETED: frozenset(),
    I.CANCELLED: frozenset(),
    I.EXPIRED: frozenset(),
}

REISSUE_EVENT: Mapping[str, str] = {
    I.PREVIEWED: "reissue.previewed",
    I.AWAITING_SECOND: "reissue.second_asked",
    I.RUNNING: "reissue.confirmed",
    I.COMPLETED: "reissue.completed",
    I.CANCELLED: "reissue.cancelled",
    I.EXPIRED: "reissue.expired",
}

# Who acts next. Workers hold what is unfinished.
GRANT_HOLDER: Mapping[str, str] = {
    G.SCHEDULED: "worker",
    G.ACTIVATING: "worker",
    G.ACTIVATION_FAILED: "staff",
    G.ACTIVE: "holder",
    G.SUSPENDED: "staff",
    G.ENDED: "nobody",
    G.REVOKED: "nobody",
    G.WITHDRAWN: "nobody",
}
CREDENTIAL_HOLDER: Mapping[str, str] = {
    C.REQUESTED: "worker",
    C.READY: "holder",
    C.ACTIVE: "holder",
    C.RETIRED: "nobody",
    C.REVOKED: "nobody",
    C.EXPIRED: "nobody",
    C.LAPSED: "nobody",
}
REVOCATION_HOLDER: Mapping[str, str] = {
    R.DRAFTED: "staff",
    R.PREVIEWED: "staff",
    R.AWAITING_SECOND: "staff",
    R.RUNNING: "worker",
    R.COMPLETED_WITH_STRAGGLERS: "staff",
    R.COMPLETED: "nobody",
    R.CANCELLED: "nobody",
    R.EXPIRED: "nobody",
}

REISSUE_HOLDER: Mapping[str, str] = {
    I.PREVIEWED: "staff",
    I.AWAITING_SECOND: "staff",
    I.RUNNING: "worker",
    I.COMPLETED: "nobody",
    I.CANCELLED: "nobody",
    I.EXPIRED: "nobody",
}

# A credential in one of these could give access now or later: what a revocation must kill.
LIVE: frozenset[str] = frozenset({C.REQUESTED, C.READY, C.ACTIVE})
# A grant in one of these takes a place in its phase.
OCCUPYING: frozenset[str] = frozenset(
    {G.SCHEDULED, G.ACTIVATING, G.ACTIVATION_FAILED, G.ACTIVE, G.SUSPENDED}
)
