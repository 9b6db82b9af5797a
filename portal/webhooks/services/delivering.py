"""One attempt at one event: taken under a lease, spoken outside any transaction, written down."""

import logging
import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from portal.audit.services import System
from portal.doorbell import ring, ring_after_commit
from portal.webhooks import selectors, signing, tasks, transport
from portal.webhooks.enums import DisabledReason
from portal.webhooks.models import Delivery, Endpoint
from portal.webhooks.services.managing import switch_off
from portal.webhooks.services.queueing import RETRIED_FOR

log = logging.getLogger(__name__)

# After each attempt, as Standard Webhooks proposes; then always the last one.
WAITS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600)
)
MOST_WAIT_ABOUT = timedelta(hours=2)  # of what every machine has to hear of, without end
JITTER = 0.2  # of a wait, more or less: what failed together does not come back together
# Longer than a task may live, so that a second worker begins when the first is surely over.
LEASE = timedelta(seconds=30)
KEPT_FOR = timedelta(days=30)
BATCH = 500
_GONE = 410
Row = TypeVar("Row", Endpoint, Delivery)
_OFF = "The endpoint was switched off."


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What a worker needs to speak, and the fence: the number of this attempt."""

    delivery_id: int
    endpoint_id: int
    number: int
    ref: str
    url: str
    body: bytes


def deliver_event(*, delivery_id: int) -> bool:
    """Try once, unless it is not due or a worker speaks to the endpoint; True when it arrived.

    Killed in between, it comes due again when the lease is over, under the same `webhook-id`. A
    worker that comes back to life after that finds the attempt's number taken and writes nothing.
    """
    attempt = _take(delivery_id)
    if attempt is None:
        return False
    headers = {
        "content-type": "application/json",
        "user-agent": "Trusted-Access-Webhooks/1",
        **signing.headers(attempt.ref, int(time.time()), attempt.body),
    }
    try:
        answer = transport.post(attempt.url, attempt.body, headers)
    except Exception as error:  # the task's time, say: the row remembers
        log.exception("speaking to endpoint %d failed here", attempt.endpoint_id)
        answer = transport.Answer(None, f"Failed here: {type(error).__name__}.")
    _write_down(attempt, answer)
    return answer.is_success


def reconcile_webhooks() -> int:
    """Ring for what is due, end what can never be delivered, forget what is old; returns rings."""
    now = timezone.now()
    _end_what_is_off(now)
    _forget(now - KEPT_FOR)
    due = selectors.due_deliveries()
    for delivery_id in due:
        ring(tasks.deliver, delivery_id)
    return len(due)


@transaction.atomic
def _take(delivery_id: int) -> _Attempt | None:
    """Locks are taken in the order endpoint, delivery; held by somebody means: not ours."""
    now = timezone.now()
    found = Delivery.objects.filter(pk=delivery_id, next_attempt_at__lte=now, held=False).first()
    if found is None:
        return None
    endpoint = _locked(Endpoint.objects.filter(pk=found.endpoint_id, disabled_at=None))
    if endpoint is None or (endpoint.busy_until and endpoint.busy_until > now):
        return None
    delivery = _locked(
        Delivery.objects.filter(
            pk=delivery_id,
            next_attempt_at__lte=now,
            delivered_at=None,
            dead_at=None,
            held=False,
        )
    )
    if delivery is None:
        return None
    endpoint.busy_until = delivery.next_attempt_at = now + LEASE
    delivery.attempts += 1
    delivery.tried += 1
    endpoint.save(update_fields=["busy_until"])
    delivery.save(update_fields=["attempts", "tried", "next_attempt_at"])
    return _Attempt(
        delivery_id=delivery.pk,
        endpoint_id=endpoint.pk,
        number=delivery.attempts,
        ref=delivery.ref,
        url=endpoint.url,
        body=delivery.body.encode(),
    )


def _locked(rows: QuerySet[Row]) -> Row | None:
    return rows.select_for_update(skip_locked=True, no_key=True).first()


@transaction.atomic
def _write_down(attempt: _Attempt, answer: transport.Answer) -> None:
    endpoint = (
        Endpoint.objects.select_for_update(of=("self",), no_key=True)
        .filter(pk=attempt.endpoint_id)
        .first()
    )
    delivery = (
        Delivery.objects.select_for_update()
        .filter(pk=attempt.delivery_id, attempts=attempt.number, delivered_at=None, dead_at=None)
        .first()
    )
    if endpoint is None or delivery is None:
        return  # removed, switched off, or another's by now
    now = timezone.now()
    endpoint.busy_until = None
    delivery.last_status, delivery.last_error = answer.status, answer.problem[:100]
    if answer.is_success:
        delivery.delivered_at = endpoint.last_success_at = now
    else:
        _postpone(delivery, now)
    endpoint.save(update_fields=["busy_until", "last_success_at"])
    delivery.save(
        update_fields=["delivered_at", "dead_at", "next_attempt_at", "last_status", "last_error"]
    )
    _draw_conclusions(endpoint, delivery, answer)
    _ring_for_next(endpoint)
    log.info(
        "webhook %s to %s: attempt %d: %s",
        attempt.ref,
        endpoint.ref,
        attempt.number,
        answer.status or answer.problem,
    )


def _postpone(delivery: Delivery, now: datetime) -> None:
    """Wait longer after each failure. The last attempt is made when the three days end; about a
    case there is no last one.
    """
    ends = delivery.give_up_at
    if ends and now >= ends:
        delivery.dead_at = now
        return
    wait = WAITS[min(delivery.tried, len(WAITS)) - 1]
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - scatters, and guards nothing
    if ends:
        delivery.next_attempt_at = min(now + wait * spread, ends)
    else:
        delivery.next_attempt_at = now + min(wait, MOST_WAIT_ABOUT) * spread


def _draw_conclusions(endpoint: Endpoint, delivery: Delivery, answer: transport.Answer) -> None:
    """Switch off what says it is gone, and where nothing arrived in the three days of an event;
    never for silence where something waits that has to be told.
    """
    if answer.status == _GONE:
        switch_off(endpoint, reason=DisabledReason.GONE, by=System("webhooks"))
    elif delivery.dead_at and _is_silent(endpoint, delivery) and not _has_to_hear(endpoint):
        switch_off(endpoint, reason=DisabledReason.FAILING, by=System("webhooks"))


def _is_silent(endpoint: Endpoint, ended: Delivery) -> bool:
    last, ends = endpoint.last_success_at, ended.give_up_at
    return last is None or (ends is not None and last < ends - RETRIED_FOR)


def _has_to_hear(endpoint: Endpoint) -> bool:
    open_ = endpoint.deliveries.filter(delivered_at=None, dead_at=None)
    return open_.exclude(about="").exists()


def _ring_for_next(endpoint: Endpoint) -> None:
    following = (
        endpoint.deliveries.filter(
            delivered_at=None,
            dead_at=None,
            held=False,
            next_attempt_at__lte=timezone.now(),
        )
        .order_by("next_attempt_at", "pk")
        .values_list("pk", flat=True)
        .first()
    )
    if endpoint.is_on and following is not None:
        ring_after_commit(tasks.deliver, following)


def _end_what_is_off(now: datetime) -> None:
    """What was queued while somebody switched the endpoint off."""
    Delivery.objects.filter(
        delivered_at=None, dead_at=None, endpoint__disabled_at__isnull=False
    ).update(dead_at=now, last_error=_OFF)


def _forget(before: datetime) -> None:
    """What is about a case stays as long as its report, which counts it."""
    old = Delivery.objects.filter(queued_at__lt=before, about="")
    ended = old.exclude(delivered_at=None, dead_at=None)
    Delivery.objects.filter(pk__in=ended.order_by("queued_at").values("pk")[:BATCH]).delete()
