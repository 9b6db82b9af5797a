"""What surrounds every task of a worker: the id of the request that led to it, a count, a line in
the log, a sign of life.
"""

import logging
import time
from typing import Any

from celery import signals, states
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from django.db import DatabaseError, InterfaceError, close_old_connections

from portal import heartbeats
from portal.metrics import note_task
from portal.request_id import believed, request_id

log = logging.getLogger(__name__)

# Tasks of workers that take no others: their life says nothing about who prepares keys.
OF_THEIR_OWN = frozenset({"webhooks.deliver"})
OF_MAIL = "mail."

_began: dict[str, float] = {}  # by the task's id


def install() -> None:
    """Once, in the worker, before it has children."""
    signals.task_prerun.connect(_begin)
    signals.task_postrun.connect(_end)
    signals.task_failure.connect(_note_killed)


def _begin(task_id: str, task: Any, **_signal: Any) -> None:
    """What beat rings for was asked by nobody and gets an id of its own."""
    # As Django does before each request. Celery keeps the connection (CELERY_DB_REUSE_MAX) and
    # never looks whether it still is one: without this every task fails, for ever, once PostgreSQL
    # has been started anew. A task that is called in place may stand in a transaction.
    if not task.request.is_eager:
        close_old_connections()
    request_id.set(believed(_headers(task).get("request_id")))
    _began[task_id] = time.perf_counter()


def _end(task_id: str, task: Any, state: str, **_signal: Any) -> None:
    seconds = time.perf_counter() - _began.pop(task_id)
    outcome = "succeeded" if state == states.SUCCESS else "failed"
    by_beat = _headers(task).get("rung_by") == "beat"
    note_task(task=task.name, outcome=outcome, seconds=seconds)
    _tell(task, outcome, seconds, routine=by_beat)
    if task.name not in OF_THEIR_OWN:
        _show_life(_kind_of_worker(task.name), by_beat=by_beat)
    request_id.set("")


def _tell(task: Any, outcome: str, seconds: float, *, routine: bool) -> None:
    """What beat rings for, again and again, is told when it fails."""
    succeeded = logging.DEBUG if routine else logging.INFO
    log.log(
        succeeded if outcome == "succeeded" else logging.ERROR,
        "%s %s after %d ms",
        task.name,
        outcome,
        round(seconds * 1000),
        extra={"outcome": outcome, "duration_ms": round(seconds * 1000)},
    )


def _kind_of_worker(task: str) -> str:
    return heartbeats.MAIL_WORKER if task.startswith(OF_MAIL) else heartbeats.WORKER


def _show_life(worker: str, *, by_beat: bool) -> None:
    try:
        heartbeats.seen(worker)
        if by_beat:
            heartbeats.seen(heartbeats.BEAT)
    except (DatabaseError, InterfaceError) as error:
        log.warning("no sign of life given: %s", type(error).__name__)


def _note_killed(sender: Any, exception: BaseException, **_signal: Any) -> None:
    """A process that took too long, or died, tells nothing; its parent does."""
    if isinstance(exception, TimeLimitExceeded | WorkerLostError):
        note_task(task=sender.name, outcome="killed", seconds=None)


def _headers(task: Any) -> dict[str, Any]:
    return task.request.headers or {}
