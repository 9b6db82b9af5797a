"""States and reasons of grants, credentials and revocations."""

from django.db.models import TextChoices


class GrantStatus(TextChoices):
    SCHEDULED = "scheduled", "Scheduled"
    ACTIVATING = "activating", "Activating"
    ACTIVATION_FAILED = "activation_failed", "Activation failed"
    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"
    ENDED = "ended", "Ended"
    REVOKED = "revoked", "Revoked"
    WITHDRAWN = "withdrawn", "Withdrawn"


class CredentialStatus(TextChoices):
    REQUESTED = "requested", "Requested"
    READY = "ready", "Ready to claim"
    ACTIVE = "active", "Active"
    RETIRED = "retired", "Retired"
    REVOKED = "revoked", "Revoked"
    EXPIRED = "expired", "Expired"
    LAPSED = "lapsed", "Lapsed"


class KeyKind(TextChoices):
    """A test key is taken by sandbox gateways only."""

    LIVE = "live", "Live"
    TEST = "test", "Test"


class RevocationStatus(TextChoices):
    DRAFTED = "drafted", "Drafted"
    PREVIEWED = "previewed", "Previewed"
    AWAITING_SECOND = "awaiting_second", "Waiting for a second person"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    COMPLETED_WITH_STRAGGLERS = "completed_with_stragglers", "Completed with stragglers"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


class Severity(TextChoices):
    """How bad it is, for who must drop what they are doing."""

    CRITICAL = "critical", "Critical: being abused now"
    HIGH = "high", "High: could be abused at any moment"
    MEDIUM = "medium", "Medium: within the day"
    LOW = "low", "Low: tidying up"


class ItemStatus(TextChoices):
    """One key of a bulk revocation: what became of it."""

    FROZEN = "frozen", "In the case"
    PENDING = "pending", "Dead, mail not yet queued"
    DONE = "done", "Dead, mail queued"
    SKIPPED = "skipped", "Was dead already"


class PartyStatus(TextChoices):
    """A partner, or somebody on their own, who has to be told what became of their keys."""

    PENDING = "pending", "Mail not yet queued"
    DONE = "done", "Mail queued"
    FAILED = "failed", "Queueing the mail failed"


class ReissueStatus(TextChoices):
    PREVIEWED = "previewed", "Previewed"
    AWAITING_SECOND = "awaiting_second", "Waiting for a second person"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


class ReissueItemStatus(TextChoices):
    """One grant of a re-issue: what becomes of it."""

    CHOSEN = "chosen", "Gets a new slot"
    LEFT_OUT = "left_out", "Left out by staff"
    REFUSED = "refused", "Cannot get one"
    MADE = "made", "Slot made, mail not yet queued"
    FAILED = "failed", "Slot made, queueing the mail failed"
    TOLD = "told", "Slot made, mail queued"
    DROPPED = "dropped", "Not re-issued: put away"


class RevocationReason(TextChoices):
    KEY_LEAKED = "key_leaked", "The key leaked"
    MISUSE = "misuse", "Misuse"
    TERMS_BREACHED = "terms_breached", "Terms breached"
    HOLDER_LEFT = "holder_left", "The holder left"
    INCIDENT = "incident", "Security incident"
    NO_LONGER_NEEDED = "no_longer_needed", "No longer needed"


class FreezeLevel(TextChoices):
    """What a freeze lies over; all but the first name one thing by its reference."""

    EVERYTHING = "everything", "Everything"
    RELEASE = "release", "A release"
    PHASE = "phase", "A phase"
    ORGANIZATION = "organization", "An organisation"
    PERSON = "person", "A person"


class DenyCode(TextChoices):
    """Why access is refused. Partners, staff, audit and metrics see these; gateways never do."""

    MALFORMED = "malformed", "This is not one of our keys, or it was cut off when copied."
    TOKEN_INVALID = "token_invalid", "The token is over or not one of ours. Exchange the key again."
    UNKNOWN_KEY = "unknown_key", "No such key."
    KEY_NOT_ACTIVE = "key_not_active", "The key has not been claimed or is no longer in use."
    KEY_REVOKED = "key_revoked", "The key was revoked."
    KEY_EXPIRED = "key_expired", "The key has expired."
    GRANT_NOT_ACTIVE = "grant_not_active", "The grant is not in force."
    GRANT_OUT_OF_DATES = "grant_out_of_dates", "The grant has not begun or is over."
    HOLDER_NOT_ACTIVE = "holder_not_active", "The holder's account is suspended or closed."
    ORGANIZATION_NOT_ACTIVE = "organization_not_active", "The organisation is suspended."
    NOT_A_MEMBER = "not_a_member", "The holder no longer belongs to the grant's organisation."
    PHASE_HALTED = "phase_halted", "The programme has halted this phase."
    AGREEMENT_NOT_CURRENT = "agreement_not_current", "The current agreement is not signed."
    FROZEN_PERSON = "frozen_person", "The programme has paused the holder's access."
    FROZEN_CASE = "frozen_case", "The programme has paused this key while it looks into something."
    FROZEN_ORGANIZATION = (
        "frozen_organization",
        "The programme has paused the organisation's access.",
    )
    FROZEN_PHASE = "frozen_phase", "The programme has paused this phase's access."
    FROZEN_RELEASE = "frozen_release", "The programme has paused access to this model."
    FROZEN_EVERYTHING = "frozen_everything", "The programme has paused all access."
    WRONG_AUDIENCE = "wrong_audience", "The key is for another model."
    WRONG_KIND = "wrong_kind", "This is a test key: only a sandbox takes it."
    SCOPE_NOT_HELD = "scope_not_held", "The key does not hold the scope asked for."
