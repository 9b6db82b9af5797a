"""Ring a Celery worker after commit, without ever waiting for the broker.

Publishing happens in one background thread per process. A broker that is down, slow or silent
costs the request nothing; the ring is lost and `reconcile` rings again from the row in
PostgreSQL, which is the queue of record (docs/adr/0001). With the ring goes the id of the request
that led to it (portal.worker reads it).
"""

import logging
import queue
import threading
from typing import Any

from celery import Task, current_app
from django.conf import settings
from django.db import transaction

from portal.request_id import request_id

log = logging.getLogger(__name__)

_CAPACITY = 10_000
_rings: queue.Queue[tuple[str, tuple[Any, ...], str, int | None]] = queue.Queue(maxsize=_CAPACITY)
_starting = threading.Lock()
_ringer: threading.Thread | None = None


def ring_after_commit(task: Task, *args: int | str) -> None:
    """Ask a worker to look at the row `args` name, once the open transaction has committed."""
    transaction.on_commit(lambda: ring(task, *args))


def ring(task: Task, *args: int | str) -> None:
    """Ask a worker now; never blocks, never raises."""
    if not settings.DOORBELL:
        return
    try:
        _rings.put_nowait((task.name, args, request_id.get(), task.expires))
    except queue.Full:
        log.warning("doorbell: %s dropped, the broker has been silent for long", task.name)
        return
    _ensure_ringer()


def _ensure_ringer() -> None:
    global _ringer  # noqa: PLW0603 - one thread a process, started lazily so that forks stay clean
    with _starting:
        if _ringer is None or not _ringer.is_alive():
            _ringer = threading.Thread(target=_publish_forever, name="doorbell", daemon=True)
            _ringer.start()


def _publish_forever() -> None:
    while True:
        name, args, asked_by, expires = _rings.get()
        headers = {"request_id": asked_by} if asked_by else {}
        try:
            current_app.send_task(name, args=args, headers=headers, expires=expires, retry=False)
        except Exception as error:  # noqa: BLE001 - whatever the broker says, the row remains
            log.warning("doorbell: %s not rung: %s", name, type(error).__name__)
