"""The one way into the log. Call inside the transaction of the change: no event, no action."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from django.db import connection, transaction
from django.utils import timezone

from portal.audit.models import Event
from portal.audit.presenters import PRESENTERS
from portal.request_id import request_id


class Actor(Protocol):
    """Whoever acts: a user, or `System`."""

    ref: str


class System:
    """A part of the portal acting on its own, for instance `System("worker")`."""

    def __init__(self, name: str) -> None:
        self.ref = f"system:{name}"


Payload = Mapping[str, str | int | bool | list[str] | None]


def record_event(
    kind: str, *, subject: str, thread: str, by: Actor, payload: Payload | None = None
) -> None:
    """Append one event.

    `subject` and `thread` are public references; `payload` holds codes, references, counts and
    hashes, never a name, an address, free text or a secret. Raises KeyError for a kind without
    a presenter, and refuses outside a transaction, where the change might stand without it.
    """
    _must_be_known(kind)
    _must_be_atomic()
    Event.objects.create(
        at=timezone.now(),
        kind=kind,
        actor=by.ref,
        subject=subject,
        thread=thread,
        request_id=request_id.get(),
        payload=dict(payload or {}),
    )


def record_events(
    kind: str,
    rows: Iterable[tuple[str, str]],
    *,
    by: Actor,
    payload: Payload | None = None,
    payloads: Sequence[Payload] | None = None,
) -> int:
    """Append one event a (subject, thread) in one statement; returns how many.

    `payload` is the same for all; `payloads` has one for each instead.
    """
    _must_be_known(kind)
    _must_be_atomic()
    subjects, threads = [], []
    for subject, thread in rows:
        subjects.append(subject)
        threads.append(thread)
    held = payloads or [payload or {}] * len(subjects)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Event._meta.db_table}"  # noqa: S608 - our own table's name
            " (at, kind, actor, subject, thread, request_id, payload)"
            " SELECT %s, %s, %s, subject, thread, %s, payload::jsonb"
            " FROM unnest(%s::text[], %s::text[], %s::text[]) AS rows (subject, thread, payload)",
            [
                timezone.now(),
                kind,
                by.ref,
                request_id.get(),
                subjects,
                threads,
                [json.dumps(dict(each)) for each in held],
            ],
        )
        return cursor.rowcount


def record_changes(
    kind: str,
    change: str,
    values: Sequence[Any],
    *,
    chosen: tuple[str, Sequence[Any]],
    by: Actor,
    payload: Payload | None = None,
) -> list[int]:
    """Run one UPDATE and append one event a row, in one statement; returns their ids, in order.

    `chosen` is SQL of ours, and its parameters, that locks the rows in the order of their ids and
    selects of each its id, subject and thread. `change` is an UPDATE without its WHERE, `values`
    are its parameters. However many rows there are, none of them passes through Python.

    The ids go to the UPDATE as an array: joined with them, PostgreSQL reads the whole table for
    every tenth of it. What is locked is changed, so the events need not wait for what changed.
    """
    _must_be_known(kind)
    _must_be_atomic()
    select, of = chosen
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH chosen (id, subject, thread) AS MATERIALIZED ({select}),"  # noqa: S608 - our own SQL
            f" changed AS ({change} WHERE id = ANY (ARRAY(SELECT id FROM chosen))),"
            f" told AS (INSERT INTO {Event._meta.db_table}"
            " (at, kind, actor, subject, thread, request_id, payload)"
            " SELECT %s, %s, %s, subject, thread, %s, %s::jsonb FROM chosen)"
            " SELECT array_agg(id) FROM chosen",
            [
                *of,
                *values,
                timezone.now(),
                kind,
                by.ref,
                request_id.get(),
                json.dumps(dict(payload or {})),
            ],
        )
        return cursor.fetchone()[0] or []


def _must_be_known(kind: str) -> None:
    PRESENTERS[kind]


def _must_be_atomic() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("An event needs the change's transaction.")
