"""What is to be told becomes rows in the caller's transaction; the worker is rung after it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Organization, User
from portal.audit.services import record_event
from portal.doorbell import ring_after_commit
from portal.webhooks import policies, tasks
from portal.webhooks.enums import EventKind
from portal.webhooks.models import Delivery, Endpoint

RETRIED_FOR = timedelta(days=3)
MOST_KIDS = 1000  # in one event: 20 kB, which every web server takes

Data = Mapping[str, str | int | bool | list[str]]


def queue_event(
    *,
    organization: Organization | None,
    kind: EventKind,
    data: Data,
    about: str = "",
    held: bool = False,
) -> int:
    """Tell each endpoint of the organisation that is on; returns how many events were queued.

    Call it in the transaction of the change, once for all keys the change concerns: `data["kids"]`
    may hold any number, and is split into events of MOST_KIDS. For a revocation of many, call it
    once an organisation. Costs two statements, one for an organisation without endpoints, and
    nothing for None: a grant of a person who applied alone.

    `data` holds public references, kids and codes. Never a name, an address, free text or a secret.

    `about` is the reference of something that every machine has to hear of, an incident's case:
    such an event is tried for as long as its endpoint is on, and is kept. One that is `held` waits
    to be released.
    """
    if organization is None:
        return 0
    endpoint_ids = _listening(organization)
    if not endpoint_ids:
        return 0
    made = _queue(endpoint_ids, EventKind(kind), list(_parts(data)), about, held=held)
    return len(made)


@transaction.atomic
def send_ping(*, endpoint_id: int, by: User) -> Delivery:
    """Send a test event to one endpoint."""
    endpoint = Endpoint.objects.select_for_update(of=("self",), no_key=True).get(pk=endpoint_id)
    policies.can_send_ping(by, endpoint).enforce()
    (delivery,) = _queue([endpoint.pk], EventKind.PING, [{"endpoint": endpoint.ref}])
    record_event(
        "webhook.tested",
        subject=endpoint.ref,
        thread=endpoint.organization.ref,
        by=by,
        payload={"delivery": delivery.ref},
    )
    return delivery


@transaction.atomic
def resend_delivery(*, delivery_id: int, by: User) -> Delivery:
    """Try an event that was given up for as long again, starting now, under the same id."""
    found = Delivery.objects.get(pk=delivery_id)
    Endpoint.objects.select_for_update(no_key=True).get(pk=found.endpoint_id)
    delivery = Delivery.objects.select_for_update().get(pk=delivery_id)
    policies.can_resend_delivery(by, delivery).enforce()
    now = timezone.now()
    delivery.dead_at, delivery.tried = None, 0
    delivery.next_attempt_at, delivery.give_up_at = now, _end(now, delivery.about)
    delivery.save(update_fields=["dead_at", "tried", "next_attempt_at", "give_up_at"])
    record_event(
        "webhook.resent",
        subject=delivery.ref,
        thread=delivery.endpoint.organization.ref,
        by=by,
        payload={"endpoint": delivery.endpoint.ref},
    )
    ring_after_commit(tasks.deliver, delivery.pk)
    return delivery


def _listening(organization: Organization) -> list[int]:
    """Ids of endpoints that are on, and that stay until this transaction ends.

    FOR KEY SHARE, which the ORM lacks: it waits for nothing but a removal, so that neither two
    revocations nor a worker that writes down an outcome hold each other up. Without it, an
    endpoint removed meanwhile would fail the change that is told of, at commit.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {Endpoint._meta.db_table}"  # noqa: S608 - our own table's name
            " WHERE organization_id = %s AND disabled_at IS NULL ORDER BY id FOR KEY SHARE",
            [organization.pk],
        )
        return [pk for (pk,) in cursor.fetchall()]


def _queue(
    endpoint_ids: Sequence[int],
    kind: EventKind,
    parts: Sequence[Data],
    about: str = "",
    *,
    held: bool = False,
) -> list[Delivery]:
    now = timezone.now()
    bodies = [_body(kind, now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), part) for part in parts]
    made = Delivery.objects.bulk_create(
        Delivery(
            endpoint_id=pk,
            kind=kind,
            about=about,
            held=held,
            body=body,
            queued_at=now,
            next_attempt_at=now,
            give_up_at=_end(now, about),
        )
        for pk in endpoint_ids
        for body in bodies
    )
    first = {each.endpoint_id: each.pk for each in reversed(made)}
    if held:
        return made
    for delivery_id in first.values():  # whoever finishes one rings for the endpoint's next
        ring_after_commit(tasks.deliver, delivery_id)
    return made


def _end(now: datetime, about: str) -> datetime | None:
    return None if about else now + RETRIED_FOR


def _parts(data: Data) -> Iterator[Data]:
    kids = data.get("kids")
    if not isinstance(kids, list) or len(kids) <= MOST_KIDS:
        yield data
        return
    for start in range(0, len(kids), MOST_KIDS):
        yield {**data, "kids": kids[start : start + MOST_KIDS]}


def _body(kind: EventKind, timestamp: str, data: Data) -> str:
    event = {"type": kind.value, "timestamp": timestamp, "data": dict(data)}
    return json.dumps(event, separators=(",", ":"))
