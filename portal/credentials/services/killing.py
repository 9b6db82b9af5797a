"""Killing keys, one or a hundred thousand, in one statement."""

from collections.abc import Collection

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from portal.audit.services import System, record_changes, record_events
from portal.credentials.enums import CredentialStatus
from portal.credentials.lifecycle import CREDENTIAL_EVENT, LIVE
from portal.credentials.models import Credential

# None of the columns set here is in an index, nor in an index's condition, and pages have room:
# so a key in use is revoked where it lies, and no index is touched (migration 0004).
_KILL = """
UPDATE {table}
SET status = %s, revoked_at = %s, revoked_by_id = %s, revoked_with_key = %s, revoked_reason = %s,
    revoked_by_staff = %s
"""


def kill_credentials(
    credentials: QuerySet[Credential],
    *,
    reason: str,
    by: User | System,
    by_staff: bool,
    case: str | None = None,
) -> list[int]:
    """Revoke those of `credentials` that are live; returns their ids. Dead when this commits.

    `by_staff` says that the programme did it: new keys under their grants then wait for staff.
    `by` is no person when all that was shown is the key itself.

    Rows are locked in the order of their ids, so that two of these never wait for each other.
    Dead keys are passed over. One event a key, written by the same statement.
    """
    person = by if isinstance(by, User) else None
    return record_changes(
        CREDENTIAL_EVENT[CredentialStatus.REVOKED],
        _KILL.format(table=Credential._meta.db_table),
        [
            CredentialStatus.REVOKED.value,
            timezone.now(),
            person.pk if person else None,
            person is None,
            reason,
            by_staff,
        ],
        chosen=_held(credentials),
        by=by,
        payload={"reason": reason, "case": case},
    )


def _held(credentials: QuerySet[Credential]) -> tuple[str, tuple[object, ...]]:
    """SQL, and its parameters, that locks the live ones in the order of their ids."""
    live = (
        credentials.select_for_update(of=("self",))
        .filter(status__in=LIVE)
        .order_by("pk")
        .values_list("pk", "kid", "thread")
    )
    sql, values = live.query.sql_with_params()
    return sql, tuple(values)


def kids_of(ids: Collection[int]) -> list[str]:
    """The public ids of these keys, in a fixed order."""
    return list(Credential.objects.filter(pk__in=ids).order_by("pk").values_list("kid", flat=True))


def bar_new_keys(credentials: QuerySet[Credential], *, by: User) -> list[int]:
    """Of those of `credentials` that holders, or a drill, revoked first, say that the programme
    did, too; returns their ids.

    Staff saw a key that lived and revoked it; that its holder was a moment quicker, with another
    key in its place, must not leave the holder free to make a third.
    """
    rows = list(
        credentials.select_for_update(of=("self",))
        .filter(status=CredentialStatus.REVOKED, revoked_by_staff=False)
        .order_by("pk")
        .values_list("pk", "kid", "thread")
    )
    if not rows:
        return []
    ids = [pk for pk, _kid, _thread in rows]
    Credential.objects.filter(pk__in=ids).update(revoked_by_staff=True)
    barred = ((kid, thread) for _pk, kid, thread in rows)
    record_events("credential.revoked_by_staff_too", barred, by=by)
    return ids
