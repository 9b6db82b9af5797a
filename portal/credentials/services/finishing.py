"""What workers do for a confirmed case: write on each key that it is dead, then tell partners.

One worker at a time has a case (leasing.py). Each step is a transaction of its own: killed
anywhere, the next worker goes on where it stopped, and nothing is done twice.
"""

import logging
import time
from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from portal.audit.services import Actor
from portal.credentials import tasks
from portal.credentials.enums import ItemStatus, PartyStatus, RevocationStatus
from portal.credentials.models import Credential, Revocation, RevocationItem, RevocationParty
from portal.credentials.selectors import UNTOLD, unmarked_keys
from portal.credentials.services.killing import bar_new_keys, kill_credentials
from portal.credentials.services.leasing import LeaseLostError, held, take_lease
from portal.credentials.services.moving import move_revocation
from portal.credentials.services.telling import tell_some
from portal.doorbell import ring

log = logging.getLogger(__name__)

WORK_FOR = 5.0  # seconds a task
GIVE_UP_WAITING_AFTER = 5  # attempts, after which a case counts as completed with stragglers
_PAUSE = timedelta(seconds=10)
# Keys a transaction: some tens of milliseconds. Doors on the same machine answer as with fewer.
_STEP = 500
_AHEAD = 50_000
# Of a case larger than a step: how many times as long as it worked a worker rests after each step.
# Its keys are refused already and its mails leave one by one; gateways' questions come first.
_REST = 3.0
_LONGEST_REST = 1.0  # seconds: far less than a lease
_OPEN = (RevocationStatus.RUNNING, RevocationStatus.COMPLETED_WITH_STRAGGLERS)


def mark_some(revocation: Revocation, ids: list[int]) -> int:
    """Write on these unmarked keys of a case that they are revoked, with an event each; returns how
    many were looked at. The caller holds the case's row.
    """
    if not ids:
        return 0
    keys = Credential.objects.filter(pk__in=ids)
    by = revocation.confirmed_by
    assert by is not None  # noqa: S101 - a constraint holds it; said for the type checker
    killed = kill_credentials(
        keys,
        reason=revocation.reason,
        by=by,
        by_staff=not revocation.rehearsal,
        case=revocation.ref,
    )
    if not revocation.rehearsal:
        killed += _killed_in_a_drill(bar_new_keys(keys, by=by))
    now = timezone.now()
    items = revocation.items.filter(status=ItemStatus.FROZEN)
    dead = {"status": ItemStatus.PENDING, "next_attempt_at": now}
    if revocation.rehearsal:  # nobody is told of a drill
        dead = {"status": ItemStatus.DONE, "done_at": now}
    items.filter(credential__in=killed).update(**dead)
    if len(killed) < len(ids):
        items.filter(credential__in=ids).update(status=ItemStatus.SKIPPED, done_at=now)
    return len(ids)


def _killed_in_a_drill(ids: list[int]) -> list[int]:
    """Of these keys those that a drill was a moment quicker with. It told nobody, and barred
    nothing: their partners hear of it from the case in earnest, as if that had killed them.
    """
    by_a_drill = RevocationItem.objects.filter(
        credential__in=ids, revocation__rehearsal=True, status=ItemStatus.DONE
    )
    return list(by_a_drill.values_list("credential", flat=True)) if ids else []


def finish_revocation(*, revocation_id: int, by: Actor) -> int:
    """Go on with a case for some seconds; returns how many keys and partners were seen to.

    Rings for what is left, and closes the case when nothing is.
    """
    fence = take_lease(Revocation, revocation_id, _OPEN)
    if fence is None:
        return 0
    done, ends = 0, time.monotonic() + WORK_FOR
    large = Revocation.objects.filter(pk=revocation_id, count__gt=_STEP).exists()
    began = time.monotonic()
    for step in _steps(revocation_id, fence):
        done += step
        if large:
            time.sleep(min((time.monotonic() - began) * _REST, _LONGEST_REST))
        began = time.monotonic()
        if began >= ends:
            break
    more = _close_if_finished(revocation_id, fence, by=by)
    if more and done:
        ring(tasks.finish_revocation, revocation_id)
    return done


def _held(revocation_id: int, fence: int) -> Revocation:
    """The case, locked; raises LeaseLostError when it is another worker's by now."""
    case: Revocation = held(Revocation, revocation_id, fence)
    return case


def _steps(revocation_id: int, fence: int) -> Iterator[int]:
    """Take one step after the other; yields how many keys or partners each has seen to.

    What is left to mark is looked up for many steps at once: each look passes over the whole case.
    """
    size = min(_STEP, settings.REVOCATION_CHUNK)
    while ids := unmarked_keys(revocation_id, at_most=_AHEAD):
        for start in range(0, len(ids), size):
            yield _mark_step(revocation_id, fence, ids[start : start + size])
    while told := _tell_step(revocation_id, fence):
        yield told


@transaction.atomic
def _mark_step(revocation_id: int, fence: int, ids: list[int]) -> int:
    return mark_some(_held(revocation_id, fence), ids)


def _tell_step(revocation_id: int, fence: int) -> int:
    """Tell one partner, or some of its people; returns 0 when there is none to be told now."""
    party_id = _next_party(revocation_id, fence)
    if party_id is None:
        return 0
    try:
        _tell(revocation_id, fence, party_id)
    except LeaseLostError:
        raise
    except Exception as error:  # counted on the row, shown, retried without end
        log.exception("telling partner %s of a case failed", party_id)
        _postpone(party_id, error)
    return 1


@transaction.atomic
def _next_party(revocation_id: int, fence: int) -> int | None:
    case = _held(revocation_id, fence)
    if case.paused_at or case.rehearsal:
        return None
    if not case.parties.exists():
        _find_parties(case)
    due = case.parties.filter(status__in=UNTOLD, next_attempt_at__lte=timezone.now())
    return due.order_by("next_attempt_at", "pk").values_list("pk", flat=True).first()


def _find_parties(case: Revocation) -> None:
    """Who has to be told, once every key is marked: in one statement, however many keys."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {RevocationParty._meta.db_table}"  # noqa: S608 - our own table's name
            " (revocation_id, organization_id, holder_id, status, keys, mails, attempts,"
            "  next_attempt_at, last_error)"
            " SELECT item.revocation_id, right_.organization_id,"
            "  CASE WHEN right_.organization_id IS NULL THEN right_.holder_id END,"
            "  %s, count(*), 0, 0, %s, ''"
            " FROM credentials_revocationitem AS item"
            " JOIN credentials_credential AS key ON key.id = item.credential_id"
            " JOIN credentials_grant AS right_ ON right_.id = key.grant_id"
            " WHERE item.revocation_id = %s AND item.status = %s GROUP BY 1, 2, 3",
            [PartyStatus.PENDING.value, timezone.now(), case.pk, ItemStatus.PENDING.value],
        )


@transaction.atomic
def _tell(revocation_id: int, fence: int, party_id: int) -> None:
    case = _held(revocation_id, fence)
    party = RevocationParty.objects.select_for_update(of=("self",)).get(pk=party_id)
    tell_some(case, party)


def _postpone(party_id: int, error: Exception) -> None:
    RevocationParty.objects.filter(pk=party_id, status__in=UNTOLD).update(
        status=PartyStatus.FAILED,
        attempts=F("attempts") + 1,
        last_error=type(error).__name__,
        next_attempt_at=timezone.now() + _PAUSE,
    )


@transaction.atomic
def _close_if_finished(revocation_id: int, fence: int, *, by: Actor) -> bool:
    """Hand the case back; True when there is more to do."""
    case = _held(revocation_id, fence)
    case.leased_until = None
    case.save(update_fields=["leased_until"])
    if case.items.filter(status=ItemStatus.FROZEN).exists():
        return True
    untold = case.parties.filter(status__in=UNTOLD)
    waiting = case.items.filter(status=ItemStatus.PENDING)
    if not untold.exists() and not waiting.exists():
        case.completed_at = timezone.now()
        move_revocation(case, to=RevocationStatus.COMPLETED, by=by)
        return False
    if (
        case.status == RevocationStatus.RUNNING
        and untold.exists()
        and not untold.filter(attempts__lt=GIVE_UP_WAITING_AFTER).exists()
    ):
        move_revocation(case, to=RevocationStatus.COMPLETED_WITH_STRAGGLERS, by=by)
    return not case.paused_at
