"""Killing many keys at once, in a fixed number of statements."""

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from portal.audit.services import System, record_events
from portal.credentials.enums import CredentialStatus
from portal.credentials.lifecycle import CREDENTIAL_EVENT, LIVE
from portal.credentials.models import Credential


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
    Dead keys are passed over. One event a key, written in one statement.
    """
    rows = list(
        credentials.select_for_update(of=("self",))
        .filter(status__in=LIVE)
        .order_by("pk")
        .values_list("pk", "kid", "grant__application__ref")
    )
    ids = [pk for pk, _kid, _thread in rows]
    Credential.objects.filter(pk__in=ids).update(
        status=CredentialStatus.REVOKED,
        revoked_at=timezone.now(),
        revoked_by=by if isinstance(by, User) else None,
        revoked_with_key=not isinstance(by, User),
        revoked_reason=reason,
        revoked_by_staff=by_staff,
    )
    record_events(
        CREDENTIAL_EVENT[CredentialStatus.REVOKED],
        ((kid, thread) for _pk, kid, thread in rows),
        by=by,
        payload={"reason": reason, "case": case},
    )
    return ids


def bar_new_keys(credentials: QuerySet[Credential], *, by: User) -> None:
    """Of those of `credentials` whose holders revoked them first, say that the programme did, too.

    Staff saw a key that lived and revoked it; that its holder was a moment quicker, with another
    key in its place, must not leave the holder free to make a third.
    """
    rows = list(
        credentials.select_for_update(of=("self",))
        .filter(status=CredentialStatus.REVOKED, revoked_by_staff=False)
        .order_by("pk")
        .values_list("pk", "kid", "grant__application__ref")
    )
    if not rows:
        return
    ids = [pk for pk, _kid, _thread in rows]
    Credential.objects.filter(pk__in=ids).update(revoked_by_staff=True)
    barred = ((kid, thread) for _pk, kid, thread in rows)
    record_events("credential.revoked_by_staff_too", barred, by=by)
