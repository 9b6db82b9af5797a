"""Opening, pausing and giving up grants."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.applications.services import move_application
from portal.applications.services.moving import lock_application
from portal.audit.services import Actor, record_event
from portal.credentials import hooks, notices, policies
from portal.credentials.enums import GrantStatus, RevocationReason
from portal.credentials.lifecycle import GRANT_EVENT
from portal.credentials.models import Grant
from portal.credentials.selectors import places_taken
from portal.credentials.services.issuing import add_slot, ring_worker
from portal.credentials.services.killing import kids_of, kill_credentials
from portal.credentials.services.moving import announce_birth, lock_grant, move_grant
from portal.errors import Conflict
from portal.programs.models import RolloutPhase
from portal.programs.services import sign_agreement


def reserve_place(*, phase_id: int, by: User) -> None:
    """Hold the phase's row and refuse when every place is taken.

    Call in the transaction that moves an application to approved, and before it does: whoever
    comes second waits here, then counts the first one too. Raises Conflict `phase_full`.
    """
    phase = RolloutPhase.objects.select_for_update().get(pk=phase_id)
    taken = places_taken(phase)
    if taken >= phase.capacity:
        raise Conflict(
            "phase_full",
            f"All {phase.capacity} places of {phase.name} are taken. Put the application on the "
            "waiting list, or have the capacity raised.",
        )


def open_grant(*, application: Application, by: Actor) -> Grant:
    """Turn an approved application, whose lock the caller holds, into a grant.

    The grant is a row the worker must finish; after commit the worker is rung. Scopes are the
    approved ones; limits and length are the phase's of today.
    """
    announce_birth()
    phase, now = application.phase, timezone.now()
    grant = Grant.objects.create(
        application=application,
        phase=phase,
        holder=application.applicant,
        organization=application.organization,
        scopes=application.approved_scopes,
        requests_per_minute=phase.requests_per_minute,
        tokens_per_day=phase.tokens_per_day,
        starts_at=now,
        ends_at=now + timedelta(days=phase.max_grant_days),
    )
    move_application(application, to=ApplicationStatus.GRANTED, by=by, payload={"grant": grant.ref})
    record_event(
        GRANT_EVENT[GrantStatus.ACTIVATING],
        subject=grant.ref,
        thread=application.ref,
        by=by,
        payload={"scopes": grant.scopes, "phase": phase.ref},
    )
    add_slot(grant, by=by)
    ring_worker(grant)
    return grant


@transaction.atomic
def accept_offer(
    *, application_id: int, agreement_id: int, sha256: str, signed_name: str, by: User
) -> Grant:
    """Sign the current agreement and take up the approval, in one step."""
    application = lock_application(application_id)
    policies.can_accept_offer(by, application).enforce()
    sign_agreement(agreement_id=agreement_id, sha256=sha256, signed_name=signed_name, by=by)
    return open_grant(application=application, by=by)


@transaction.atomic
def suspend_grant(*, grant_id: int, by: User) -> Grant:
    """Refuse every key of the grant from commit on; reversible."""
    grant = lock_grant(grant_id)
    policies.can_suspend_grant(by, grant).enforce()
    move_grant(grant, to=GrantStatus.SUSPENDED, by=by)
    hooks.grant_suspended(grant)
    return grant


@transaction.atomic
def resume_grant(*, grant_id: int, by: User) -> Grant:
    """Let the keys of a suspended grant through again."""
    grant = lock_grant(grant_id)
    policies.can_resume_grant(by, grant).enforce()
    move_grant(grant, to=GrantStatus.ACTIVE, by=by)
    hooks.grant_resumed(grant)
    return grant


@transaction.atomic
def allow_new_keys(*, grant_id: int, by: User) -> Grant:
    """Let the holder ask for keys again after staff revoked some. Revoked ones stay revoked."""
    grant = lock_grant(grant_id)
    policies.can_allow_new_keys(by, grant).enforce()
    grant.new_keys_allowed_at, grant.new_keys_allowed_by = timezone.now(), by
    grant.save(update_fields=["new_keys_allowed_at", "new_keys_allowed_by"])
    record_event("grant.new_keys_allowed", subject=grant.ref, thread=grant.application.ref, by=by)
    notices.new_keys_allowed(grant)
    return grant


@transaction.atomic
def withdraw_grant(*, grant_id: int, by: User) -> Grant:
    """The holder gives the grant up; its keys die with it and the place is free."""
    grant = lock_grant(grant_id)
    policies.can_withdraw_grant(by, grant).enforce()
    move_grant(grant, to=GrantStatus.WITHDRAWN, by=by)
    reason = RevocationReason.NO_LONGER_NEEDED
    killed = kill_credentials(grant.credentials.all(), reason=reason, by=by, by_staff=False)
    hooks.keys_revoked(grant.organization, kids_of(killed), reason=reason)
    return grant
