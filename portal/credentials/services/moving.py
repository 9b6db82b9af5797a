"""The only doors to a status in this app. Callers hold the row's lock.

Locks are always taken in this order: application, phase, grant, credential.
"""

from django.db import connection
from django.utils import timezone

from portal.audit.services import Actor, Payload, record_event
from portal.credentials.enums import GrantStatus
from portal.credentials.lifecycle import (
    CREDENTIAL_EVENT,
    CREDENTIAL_TRANSITIONS,
    GRANT_EVENT,
    GRANT_TRANSITIONS,
    REISSUE_EVENT,
    REISSUE_TRANSITIONS,
    REVOCATION_EVENT,
    REVOCATION_TRANSITIONS,
)
from portal.credentials.models import Credential, Grant, Reissue, Revocation
from portal.lifecycle import check_transition

# Any number that nothing else in this database locks by.
_BIRTHS = 7_202_611


def announce_birth() -> None:
    """Before a key comes into being: wait while a bulk revocation counts what lives.

    Taken before the rows' own locks; many may come into being side by side.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_BIRTHS])


def stop_births() -> None:
    """Until this transaction ends no key comes into being, and all that did are seen."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_BIRTHS])


def lock_grant(grant_id: int) -> Grant:
    """The grant as it is now, held until the transaction ends."""
    return (
        Grant.objects.select_for_update(of=("self",))
        .select_related("application", "holder", "organization", "phase__release")
        .get(pk=grant_id)
    )


def move_grant(grant: Grant, *, to: str, by: Actor, payload: Payload | None = None) -> None:
    """Take the state machine's edge, save, and write the event of the state entered."""
    check_transition(grant, to=to, transitions=GRANT_TRANSITIONS)
    grant.status = to
    if to == GrantStatus.ACTIVE and not grant.activated_at:
        grant.activated_at = timezone.now()
    grant.save()
    record_event(
        GRANT_EVENT[to],
        subject=grant.ref,
        thread=grant.application.ref,
        by=by,
        payload=payload,
    )


def move_credential(
    credential: Credential, *, to: str, by: Actor, payload: Payload | None = None
) -> None:
    """Take the state machine's edge, save, and write the event of the state entered."""
    check_transition(credential, to=to, transitions=CREDENTIAL_TRANSITIONS)
    credential.status = to
    credential.save()
    record_credential(CREDENTIAL_EVENT[to], credential, by=by, payload=payload)


def record_credential(
    kind: str, credential: Credential, *, by: Actor, payload: Payload | None = None
) -> None:
    """Write an event about one key into its application's file."""
    record_event(
        kind,
        subject=credential.kid,
        thread=credential.grant.application.ref,
        by=by,
        payload={"grant": credential.grant.ref, **(payload or {})},
    )


def move_revocation(
    revocation: Revocation, *, to: str, by: Actor, payload: Payload | None = None
) -> None:
    """Take the state machine's edge, save, and write the event of the state entered."""
    check_transition(revocation, to=to, transitions=REVOCATION_TRANSITIONS)
    revocation.status = to
    revocation.save()
    record_event(
        REVOCATION_EVENT[to],
        subject=revocation.ref,
        thread=revocation.ref,
        by=by,
        payload=payload,
    )


def move_reissue(reissue: Reissue, *, to: str, by: Actor, payload: Payload | None = None) -> None:
    """Take the state machine's edge, save, and write the event of the state entered."""
    check_transition(reissue, to=to, transitions=REISSUE_TRANSITIONS)
    reissue.status = to
    reissue.save()
    record_event(
        REISSUE_EVENT[to],
        subject=reissue.ref,
        thread=reissue.revocation.ref,
        by=by,
        payload=payload,
    )
