"""Signs of life of what runs beside the web: nobody would miss it otherwise until a row waits.

A worker that has finished a task writes that it was seen; when beat had rung for the task, beat was
seen too. So one that is alive but hears nothing, because the broker is gone, falls silent as well.
"""

import time
from datetime import datetime

from django.utils import timezone

from portal.models import Heartbeat

WORKER, MAIL_WORKER, BEAT = "worker", "mail_worker", "beat"
WRITTEN_EVERY = 10.0  # seconds, at most, by each process of a worker
# Beat rings every 15 s; so long without a word is no coincidence.
SILENT_AFTER = 120

_written: dict[str, float] = {}  # when this process last did


def seen(name: str) -> None:
    """Note that `name` is alive: one statement, and none when this process just said so."""
    now = time.monotonic()
    if now - _written.get(name, -WRITTEN_EVERY) < WRITTEN_EVERY:
        return
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, seen_at=timezone.now())],
        update_conflicts=True,
        update_fields=["seen_at"],
        unique_fields=["name"],
    )
    _written[name] = now


def last_seen() -> dict[str, datetime | None]:
    """When workers and beat were last seen; None for one that never was."""
    known = dict(Heartbeat.objects.values_list("name", "seen_at"))
    return {name: known.get(name) for name in (WORKER, MAIL_WORKER, BEAT)}
