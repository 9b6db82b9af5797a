"""A case of revocation: preview freezes who is hit, confirming kills at commit, workers tell.

No un-revoke exists.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from portal.audit.services import Actor, record_event
from portal.credentials import notices, policies, tasks
from portal.credentials.enums import ItemStatus, RevocationStatus
from portal.credentials.lifecycle import REVOCATION_EVENT
from portal.credentials.models import Credential, Revocation, RevocationItem
from portal.credentials.selectors import Selector, live_credentials
from portal.credentials.services.killing import bar_new_keys, kill_credentials
from portal.credentials.services.moving import move_revocation, stop_births
from portal.credentials.services.revoking import must_be_known
from portal.doorbell import ring, ring_after_commit
from portal.errors import Conflict, Gone, Invalid
from portal.redaction import redact

PREVIEW_LIFE = timedelta(minutes=15)
CHUNK = 100
GIVE_UP_WAITING_AFTER = 5  # attempts, after which a case counts as completed with stragglers
_PAUSE = timedelta(seconds=10)
_SEPARATORS = re.compile(r"[\s,.']")  # as people group the digits of a number
UNFINISHED = (ItemStatus.PENDING, ItemStatus.FAILED)


def kids_digest(kids: Iterable[str]) -> str:
    """SHA-256, in hex, of the sorted kids, one a line: what confirming a preview binds."""
    return hashlib.sha256("\n".join(sorted(kids)).encode()).hexdigest()


@transaction.atomic
def preview_revocation(*, selector: Selector, reason: str, note: str, by: User) -> Revocation:
    """Freeze the live keys a selector names, with their count and digest. Nothing is revoked yet.

    Raises Invalid for a selector that names nothing known, or nothing that lives.
    """
    policies.can_revoke_in_bulk(by).enforce()
    must_be_known(reason)
    hit = list(live_credentials(selector).order_by("pk").values_list("pk", "kid"))
    if not hit:
        raise Invalid("nothing_hit", "None of these keys is live; there is nothing to revoke.")
    revocation = Revocation.objects.create(
        selector=selector.as_json(), reason=reason, note=redact(note), requested_by=by
    )
    record_event(
        REVOCATION_EVENT[RevocationStatus.DRAFTED],
        subject=revocation.ref,
        thread=revocation.ref,
        by=by,
        payload={"by": selector.by, "reason": reason},
    )
    _freeze(revocation, [pk for pk, _kid in hit])
    revocation.count = len(hit)
    revocation.digest = kids_digest(kid for _pk, kid in hit)
    revocation.previewed_at = timezone.now()
    revocation.expires_at = revocation.previewed_at + PREVIEW_LIFE
    move_revocation(
        revocation,
        to=RevocationStatus.PREVIEWED,
        by=by,
        payload={"count": revocation.count, "digest": revocation.digest},
    )
    return revocation


def _freeze(revocation: Revocation, credential_ids: list[int]) -> None:
    """One item a key, in one statement: the ORM would carry each row through Python."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {RevocationItem._meta.db_table}"  # noqa: S608 - our own table's name
            " (revocation_id, credential_id, status, attempts, next_attempt_at, last_error)"
            " SELECT %s, id, %s, 0, %s, '' FROM unnest(%s::bigint[]) AS keys (id)",
            [revocation.pk, ItemStatus.FROZEN.value, timezone.now(), credential_ids],
        )


@transaction.atomic
def start_revocation(*, revocation_id: int, digest: str, typed_count: str, by: User) -> Revocation:
    """Kill every frozen key that is still live. When this commits they are dead, however many
    and with every worker stopped; workers then only tell the holders.

    Refused when more keys match by now than were looked at: none may stay alive unseen.
    `digest` is the one the confirming page showed, `typed_count` what the person typed.
    """
    policies.can_revoke_in_bulk(by).enforce()
    revocation = Revocation.objects.select_for_update().get(pk=revocation_id)
    _must_be_confirmable(revocation, digest=digest, typed_count=typed_count)
    stop_births()
    _must_not_have_grown(revocation)
    frozen = Credential.objects.filter(revocation_items__revocation=revocation)
    killed = kill_credentials(
        frozen, reason=revocation.reason, by=by, by_staff=True, case=revocation.ref
    )
    bar_new_keys(frozen, by=by)
    now = timezone.now()
    revocation.items.filter(credential__in=killed).update(
        status=ItemStatus.PENDING, next_attempt_at=now
    )
    revocation.items.filter(status=ItemStatus.FROZEN).update(status=ItemStatus.SKIPPED, done_at=now)
    revocation.confirmed_at, revocation.confirmed_by = now, by
    move_revocation(
        revocation,
        to=RevocationStatus.RUNNING,
        by=by,
        payload={"killed": len(killed), "digest": revocation.digest},
    )
    ring_after_commit(tasks.finish_revocation, revocation.pk)
    return revocation


@transaction.atomic
def cancel_revocation(*, revocation_id: int, by: User) -> Revocation:
    """Put a preview away; nothing was revoked."""
    policies.can_revoke_in_bulk(by).enforce()
    revocation = Revocation.objects.select_for_update().get(pk=revocation_id)
    move_revocation(revocation, to=RevocationStatus.CANCELLED, by=by)
    return revocation


def finish_revocation(*, revocation_id: int, by: Actor) -> int:
    """Tell the holders of up to one chunk of dead keys; returns how many items were tried.

    Resumable and idempotent: each item is its own transaction, skipped when another worker has
    it. Rings for the next chunk; closes the case when nothing is left.
    """
    due = _due_items(revocation_id)
    for item_id in due:
        _finish_item(item_id)
    _close_if_finished(revocation_id, by=by)
    if len(due) == CHUNK:
        ring(tasks.finish_revocation, revocation_id)
    return len(due)


def _due_items(revocation_id: int) -> list[int]:
    due = RevocationItem.objects.filter(
        revocation_id=revocation_id, status__in=UNFINISHED, next_attempt_at__lte=timezone.now()
    )
    return list(due.values_list("pk", flat=True)[:CHUNK])


def _finish_item(item_id: int) -> None:
    try:
        with transaction.atomic():
            _tell_holder(item_id)
    except Exception as error:  # noqa: BLE001 - counted on the row, shown, retried without end
        RevocationItem.objects.filter(pk=item_id, status__in=UNFINISHED).update(
            status=ItemStatus.FAILED,
            attempts=F("attempts") + 1,
            last_error=type(error).__name__,
            next_attempt_at=timezone.now() + _PAUSE,
        )


def _tell_holder(item_id: int) -> None:
    item = (
        RevocationItem.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related(
            "credential__grant__application",
            "credential__grant__holder",
            "credential__grant__phase__release",
        )
        .filter(pk=item_id, status__in=UNFINISHED)
        .first()
    )
    if item is None:
        return
    notices.key_revoked(item.credential, reason=item.credential.revoked_reason)
    item.status, item.done_at, item.last_error = ItemStatus.DONE, timezone.now(), ""
    item.save(update_fields=["status", "done_at", "last_error"])


@transaction.atomic
def _close_if_finished(revocation_id: int, *, by: Actor) -> None:
    revocation = Revocation.objects.select_for_update().get(pk=revocation_id)
    open_states = (RevocationStatus.RUNNING, RevocationStatus.COMPLETED_WITH_STRAGGLERS)
    if revocation.status not in open_states:
        return
    unfinished = revocation.items.filter(status__in=UNFINISHED)
    if not unfinished.exists():
        revocation.completed_at = timezone.now()
        move_revocation(revocation, to=RevocationStatus.COMPLETED, by=by)
    elif (
        revocation.status == RevocationStatus.RUNNING
        and not unfinished.filter(attempts__lt=GIVE_UP_WAITING_AFTER).exists()
    ):
        move_revocation(revocation, to=RevocationStatus.COMPLETED_WITH_STRAGGLERS, by=by)


def _must_not_have_grown(revocation: Revocation) -> None:
    """Refuse when the selector names a key nobody has looked at: it would stay alive.

    After this commits no grant the selector names gets a new key (selectors.barred_grants).
    """
    by, value = revocation.selector["by"], revocation.selector["value"]
    if by == "kids":
        return  # these and no others were meant
    new = live_credentials(Selector(by, value)).exclude(revocation_items__revocation=revocation)
    count = new.count()
    if count:
        raise Conflict(
            "preview_grew",
            f"Nothing was revoked: {count:,} more {'key' if count == 1 else 'keys'} came to life"
            " since this preview. Preview again. If that goes on, suspend the holder or the"
            " partner, or halt the phase, first.",
        )


def _must_be_confirmable(revocation: Revocation, *, digest: str, typed_count: str) -> None:
    if revocation.status != RevocationStatus.PREVIEWED:
        raise Conflict("not_previewed", f"{revocation.ref} has been decided already.")
    if revocation.expires_at is None or revocation.expires_at <= timezone.now():
        raise Gone("preview_expired", "The preview is older than 15 minutes. Make a new one.")
    if digest != revocation.digest:
        raise Conflict("digest_changed", "This page shows another preview. Reload it.")
    if _SEPARATORS.sub("", typed_count) != str(revocation.count):
        raise Invalid(
            "count_wrong",
            f"Nothing was revoked. Type {revocation.count:,} to confirm.",
            {"typed_count": f"Nothing was revoked. Type {revocation.count:,} to confirm."},
        )
    if not revocation.count:
        raise Invalid("nothing_hit", "No live key is in this preview; there is nothing to revoke.")
