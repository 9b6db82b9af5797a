"""What workers do for a confirmed re-issue: make the slots, then tell partners, once each.

Each step is a transaction of its own under the lease and its fence (leasing.py): killed anywhere,
the next worker goes on where it stopped, and nothing is done twice. Every grant is looked at again
under its lock: what has changed since the preview gets no slot, and says why.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from portal.audit.services import Actor, record_events
from portal.credentials import tasks
from portal.credentials.enums import CredentialStatus, ReissueItemStatus, ReissueStatus
from portal.credentials.lifecycle import CLAIM_WITHIN, CREDENTIAL_EVENT
from portal.credentials.models import Credential, Grant, Reissue, ReissueItem, Revocation
from portal.credentials.reissuable import refusals
from portal.credentials.secrets import new_kid
from portal.credentials.selectors import UNTOLD_SLOTS
from portal.credentials.services.leasing import LeaseLostError, held, take_lease
from portal.credentials.services.moving import announce_birth, move_reissue
from portal.credentials.services.telling_slots import of_the_same_partner, tell_some_of_slots
from portal.doorbell import ring
from portal.verdict import Verdict

log = logging.getLogger(__name__)

MAKE_AT_ONCE = 500
WORK_FOR = 5.0  # seconds a task
_PAUSE = timedelta(seconds=10)


def finish_reissue(*, reissue_id: int, by: Actor) -> int:
    """Go on with a re-issue for some seconds; returns how many grants and partners were seen to.

    Rings for what is left, and closes it when nothing is.
    """
    fence = take_lease(Reissue, reissue_id, (ReissueStatus.RUNNING,))
    if fence is None:
        return 0
    done, ends = 0, time.monotonic() + WORK_FOR
    while step := _make_step(reissue_id, fence, by=by) or _tell_step(reissue_id, fence):
        done += step
        if time.monotonic() >= ends:
            break
    more = _close_if_finished(reissue_id, fence, by=by)
    if more and done:
        ring(tasks.finish_reissue, reissue_id)
    return done


@transaction.atomic
def _make_step(reissue_id: int, fence: int, *, by: Actor) -> int:
    """Up to MAKE_AT_ONCE grants get their slots; returns how many were looked at."""
    announce_birth()
    reissue: Reissue = held(Reissue, reissue_id, fence)
    chosen = reissue.items.filter(status=ReissueItemStatus.CHOSEN).order_by("grant_id")
    items = list(chosen[:MAKE_AT_ONCE])
    grants = {
        grant.pk: grant
        for grant in Grant.objects.select_for_update(of=("self",))
        .select_related("application")
        .filter(pk__in=[item.grant_id for item in items])
        .order_by("pk")
    }
    refused = refusals(reissue.revocation, list(grants), within=reissue)
    now = timezone.now()
    _refuse([item for item in items if item.grant_id in refused], refused, now)
    made = [item for item in items if item.grant_id not in refused]
    _make(made, grants, reissue, now, by=by)
    return len(items)


def _make(
    items: Sequence[ReissueItem],
    grants: dict[int, Grant],
    reissue: Reissue,
    now: datetime,
    *,
    by: Actor,
) -> None:
    """A slot a grant, ready to be claimed, and the bar of the case lifted from it."""
    person = reissue.confirmed_by
    assert person is not None  # noqa: S101 - a constraint holds it; said for the type checker
    slots = Credential.objects.bulk_create(_slot(grants[item.grant_id], now) for item in items)
    _note_slots([item.pk for item in items], [slot.pk for slot in slots], now)
    _allow_new_keys([grants[item.grant_id] for item in items], now, by=person)
    rows = [(slot.kid, slot.grant.application.ref) for slot in slots]
    payloads = [{"grant": slot.grant.ref, "reissue": reissue.ref} for slot in slots]
    for status, who in ((CredentialStatus.REQUESTED, person), (CredentialStatus.READY, by)):
        record_events(CREDENTIAL_EVENT[status], rows, by=who, payloads=payloads)


def _refuse(items: Sequence[ReissueItem], why: dict[int, Verdict], now: datetime) -> None:
    for item in items:
        no = why[item.grant_id]
        item.status, item.code, item.why = ReissueItemStatus.REFUSED, no.code, no.reason
        item.done_at = now
    ReissueItem.objects.bulk_update(items, ["status", "code", "why", "done_at"])


def _note_slots(items: list[int], slots: list[int], now: datetime) -> None:
    """Which item got which slot, in one statement: the ORM would write a case for each row."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {ReissueItem._meta.db_table} AS item"  # noqa: S608 - our own table's name
            " SET slot_id = made.slot, status = %s, next_attempt_at = %s"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS made (id, slot) WHERE item.id = made.id",
            [ReissueItemStatus.MADE.value, now, items, slots],
        )


def _slot(grant: Grant, now: datetime) -> Credential:
    return Credential(
        kid=new_kid(),
        grant=grant,
        scopes=grant.scopes,
        status=CredentialStatus.READY,
        requested_at=now,
        ready_at=now,
        expires_at=min(now + CLAIM_WITHIN, grant.ends_at),
    )


def _allow_new_keys(grants: Sequence[Grant], now: datetime, *, by: User) -> None:
    """Otherwise the new key could not be rotated, nor asked for again when the slot has lapsed."""
    Grant.objects.filter(pk__in=[grant.pk for grant in grants]).update(
        new_keys_allowed_at=now, new_keys_allowed_by=by
    )
    threads = [(grant.ref, grant.application.ref) for grant in grants]
    record_events("grant.new_keys_allowed", threads, by=by)


def _tell_step(reissue_id: int, fence: int) -> int:
    """Tell one partner, or some of its people; returns 0 when there is none to be told now."""
    item = _next_untold(reissue_id, fence)
    if item is None:
        return 0
    try:
        _tell(reissue_id, fence, item)
    except LeaseLostError:
        raise
    except Exception as error:  # counted on the rows, shown, retried without end
        log.exception("telling a partner of the slot under grant %s failed", item.grant.ref)
        _postpone(item, error)
    return 1


@transaction.atomic
def _next_untold(reissue_id: int, fence: int) -> ReissueItem | None:
    reissue: Reissue = held(Reissue, reissue_id, fence)
    due = reissue.items.filter(status__in=UNTOLD_SLOTS, next_attempt_at__lte=timezone.now())
    return due.order_by("next_attempt_at", "pk").select_related("grant__organization").first()


@transaction.atomic
def _tell(reissue_id: int, fence: int, one: ReissueItem) -> None:
    """Some of this item's partner's people."""
    case = _lock_case(reissue_id)
    held(Reissue, reissue_id, fence)
    mails = tell_some_of_slots(case, one)
    Reissue.objects.filter(pk=reissue_id).update(mails=F("mails") + mails)


def _lock_case(reissue_id: int) -> Revocation:
    """Before the re-issue, as everywhere: the mails of both share one line, and one pause."""
    cases = Revocation.objects.select_for_update(no_key=True)
    return cases.get(pk=Reissue.objects.values_list("revocation", flat=True).get(pk=reissue_id))


def _postpone(one: ReissueItem, error: Exception) -> None:
    of_the_same_partner(one).update(
        status=ReissueItemStatus.FAILED,
        attempts=F("attempts") + 1,
        last_error=type(error).__name__,
        next_attempt_at=timezone.now() + _PAUSE,
    )


@transaction.atomic
def _close_if_finished(reissue_id: int, fence: int, *, by: Actor) -> bool:
    """Hand the re-issue back; True when there is more to do."""
    reissue: Reissue = held(Reissue, reissue_id, fence)
    reissue.leased_until = None
    open_items = reissue.items.filter(status__in=[ReissueItemStatus.CHOSEN, *UNTOLD_SLOTS])
    if open_items.exists():
        reissue.save(update_fields=["leased_until"])
        return True
    reissue.completed_at = timezone.now()
    move_reissue(reissue, to=ReissueStatus.COMPLETED, by=by)
    return False
