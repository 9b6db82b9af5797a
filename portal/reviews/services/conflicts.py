"""Declared ties and what becomes of them."""

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.applications.services.moving import lock_application
from portal.audit.services import record_event
from portal.errors import Invalid
from portal.reviews import policies
from portal.reviews.enums import ConflictKind, ConflictResolution
from portal.reviews.models import ConflictOfInterest


@transaction.atomic
def declare_conflict(
    *, application_id: int, kind: str, detail: str, by: User
) -> ConflictOfInterest:
    """Say so oneself; from now on barred from this application, unless a decider waives it."""
    application = lock_application(application_id)
    policies.can_declare_conflict(by, application).enforce()
    if kind not in ConflictKind.values or not detail.strip():
        raise Invalid("conflict_incomplete", "Choose the kind and say what ties you.")
    conflict = ConflictOfInterest.objects.create(
        application=application, person=by, kind=kind, detail=detail.strip()
    )
    record_event(
        "review.conflict_declared",
        subject=conflict.ref,
        thread=application.ref,
        by=by,
        payload={"kind": kind},
    )
    return conflict


@transaction.atomic
def resolve_conflict(*, conflict_id: int, resolution: str, by: User) -> ConflictOfInterest:
    """Recuse the person, or waive the conflict so that they may take part."""
    conflict = (
        ConflictOfInterest.objects.select_for_update(of=("self",))
        .select_related("application")
        .get(pk=conflict_id)
    )
    policies.can_resolve_conflict(by, conflict).enforce()
    if resolution not in (ConflictResolution.RECUSED, ConflictResolution.WAIVED):
        raise Invalid("resolution_unknown", "Recuse the person, or waive the conflict.")
    conflict.resolution = resolution
    conflict.resolved_at, conflict.resolved_by = timezone.now(), by
    conflict.save(update_fields=["resolution", "resolved_at", "resolved_by"])
    record_event(
        "review.conflict_resolved",
        subject=conflict.ref,
        thread=conflict.application.ref,
        by=by,
        payload={"resolution": resolution},
    )
    return conflict
