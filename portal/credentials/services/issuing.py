"""From an approved grant to a slot that can be claimed. No secret passes through here."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import Actor
from portal.credentials import notices, policies, tasks
from portal.credentials.enums import CredentialStatus, GrantStatus
from portal.credentials.lifecycle import CLAIM_WITHIN, CREDENTIAL_EVENT, OCCUPYING
from portal.credentials.models import Credential, Grant
from portal.credentials.secrets import new_kid
from portal.credentials.services.moving import (
    announce_birth,
    lock_grant,
    move_credential,
    move_grant,
    record_credential,
)
from portal.doorbell import ring_after_commit

MOST_ATTEMPTS = 5
_FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)


def add_slot(grant: Grant, *, by: Actor) -> Credential:
    """Ask for one more key under the grant: a row the worker must make ready."""
    credential = Credential.objects.create(kid=new_kid(), grant=grant, scopes=grant.scopes)
    record_credential(CREDENTIAL_EVENT[CredentialStatus.REQUESTED], credential, by=by)
    return credential


def ring_worker(grant: Grant) -> None:
    """Ask a worker, once this commits, to finish what the grant lacks."""
    ring_after_commit(tasks.issue_credential, grant.pk)


@transaction.atomic
def issue_credential(*, grant_id: int, by: Actor) -> int:
    """Make every requested slot of the grant ready, and the grant active; returns how many.

    Idempotent: run twice, at once or late, it finds nothing left to do. A slot asked for under
    a grant that has ended in the meantime lapses.
    """
    grant = lock_grant(grant_id)
    if grant.status == GrantStatus.SCHEDULED and grant.starts_at <= timezone.now():
        move_grant(grant, to=GrantStatus.ACTIVATING, by=by)
    if grant.status == GrantStatus.ACTIVATING:
        move_grant(grant, to=GrantStatus.ACTIVE, by=by)
    waiting = list(grant.credentials.select_for_update().filter(status=CredentialStatus.REQUESTED))
    for credential in waiting:
        _make_ready(credential, grant, by=by)
    if grant.attempts:
        _start_counting_anew(grant)
        grant.save(update_fields=["attempts", "next_attempt_at", "last_error"])
    return len(waiting)


def _make_ready(credential: Credential, grant: Grant, *, by: Actor) -> None:
    credential.grant = grant
    if grant.status not in (GrantStatus.ACTIVE, GrantStatus.SUSPENDED):
        if grant.status not in (GrantStatus.SCHEDULED, GrantStatus.ACTIVATION_FAILED):
            move_credential(credential, to=CredentialStatus.LAPSED, by=by)
        return
    credential.ready_at = timezone.now()
    credential.expires_at = min(credential.ready_at + CLAIM_WITHIN, grant.ends_at)
    move_credential(credential, to=CredentialStatus.READY, by=by)
    notices.key_ready(credential)


@transaction.atomic
def note_issue_failure(*, grant_id: int, error: str, by: Actor) -> None:
    """Count an attempt that failed and say when to try again.

    After five the grant is marked, so that staff and partner see it; staff can have it retried.
    `error` is an exception's class name: its text may hold what must not be kept.
    """
    grant = lock_grant(grant_id)
    if grant.status not in OCCUPYING or grant.status == GrantStatus.ACTIVATION_FAILED:
        return
    grant.attempts += 1
    grant.last_error = error[:200]
    pause = _FIRST_PAUSE * 2 ** min(grant.attempts, 20)
    grant.next_attempt_at = timezone.now() + min(pause, LONGEST_PAUSE)
    if grant.attempts >= MOST_ATTEMPTS and grant.status == GrantStatus.ACTIVATING:
        move_grant(grant, to=GrantStatus.ACTIVATION_FAILED, by=by, payload={"error": error[:100]})
        notices.activation_failed(grant)
    else:
        grant.save()


def _start_counting_anew(grant: Grant) -> None:
    grant.attempts, grant.next_attempt_at, grant.last_error = 0, timezone.now(), ""


@transaction.atomic
def retry_activation(*, grant_id: int, by: User) -> Grant:
    """Give a failed grant to the worker again, with a fresh count of attempts."""
    grant = lock_grant(grant_id)
    policies.can_retry_activation(by, grant).enforce()
    _start_counting_anew(grant)
    move_grant(grant, to=GrantStatus.ACTIVATING, by=by)
    ring_worker(grant)
    return grant


@transaction.atomic
def request_credential(*, grant_id: int, by: User) -> Credential:
    """The holder asks for another key, for instance after one lapsed or was lost."""
    announce_birth()
    grant = lock_grant(grant_id)
    policies.can_request_credential(by, grant).enforce()
    credential = add_slot(grant, by=by)
    ring_worker(grant)
    return credential
