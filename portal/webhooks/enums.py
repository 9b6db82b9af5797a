"""Names of events, and of why an endpoint is off."""

from django.db.models import TextChoices


class EventKind(TextChoices):
    """The contract with partners (docs/webhooks.md): kinds are added, never renamed."""

    PING = "ping", "Test event"
    KEY_REVOKED = "key.revoked", "Keys revoked"
    GRANT_SUSPENDED = "grant.suspended", "Grant suspended"
    GRANT_RESUMED = "grant.resumed", "Grant resumed"
    GRANT_REVOKED = "grant.revoked", "Grant revoked"
    GRANT_ENDED = "grant.ended", "Grant ended"


class DisabledReason(TextChoices):
    BY_PARTNER = "by_partner", "Switched off by the organisation"
    BY_STAFF = "by_staff", "Switched off by the programme"
    FAILING = "failing", "Switched off: nothing arrived for three days"
    GONE = "gone", "Switched off: the address answered 410 Gone"
