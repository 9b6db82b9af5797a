"""Proof about people and organisations. Rows are never changed: a new one supersedes."""

from datetime import date

from django.db import transaction
from django.utils import timezone

from accounts import policies
from accounts.enums import VerificationKind
from accounts.models import Organization, User, Verification
from portal.audit.services import record_event
from portal.errors import Invalid


@transaction.atomic
def record_verification(
    *,
    subject: User | Organization,
    kind: VerificationKind,
    source: str,
    evidence: str,
    by: User,
    valid_until: date | None = None,
) -> Verification:
    """Record what was seen about one person or one organisation."""
    policies.can_record_verification(by, subject).enforce()
    if valid_until and valid_until <= timezone.localdate():
        reason = "Choose a day to come, or leave it empty."
        raise Invalid("valid_until_past", reason, {"valid_until": reason})
    about = {"user": subject} if isinstance(subject, User) else {"organization": subject}
    verification = Verification.objects.create(
        **about,
        kind=VerificationKind(kind),
        source=source.strip(),
        evidence=evidence.strip(),
        valid_until=valid_until,
        verified_by=by,
    )
    record_event(
        "verification.recorded",
        subject=verification.ref,
        thread=subject.ref,
        by=by,
        payload={
            "kind": verification.kind,
            "valid_until": valid_until.isoformat() if valid_until else None,
        },
    )
    return verification
