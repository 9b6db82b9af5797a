"""What happens, counted by each process as it happens. Only additions: a process has no state that
another would have to know.
"""

import logging
import os
import threading
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from portal.credentials.enums import DenyCode
from portal.metrics import folder

folder.prepare()

from prometheus_client import (  # noqa: E402 - it looks for the folder when it is imported
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402 - likewise

log = logging.getLogger(__name__)

# Why a door opened or did not, beside the codes of the decision itself.
CODES = frozenset(DenyCode.values) | {
    "allowed",
    "unavailable",
    "not_a_gateway",
    "malformed_request",
    "error",
}
_QUICK = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

disable_created_metrics()  # several processes have no one time at which they began
COUNTED = CollectorRegistry()


class ManyAtOnce(Histogram):
    def observe_all(self, amounts: Sequence[float]) -> None:
        """As `observe` would each of them, but every number is written once."""
        self._sum.inc(sum(amounts))
        for bucket, times in Tally(bisect_left(self._upper_bounds, a) for a in amounts).items():
            self._buckets[bucket].inc(times)


DECISIONS = Counter(
    "access_decisions_total",
    "Answers given to machines, by door and reason.",
    ["door", "code"],
    registry=COUNTED,
)
DECISION_SECONDS = ManyAtOnce(
    "access_decision_seconds",
    "How long an answer to a machine took.",
    ["door"],
    buckets=_QUICK,
    registry=COUNTED,
)
REQUESTS = Counter(
    "portal_web_requests_total",
    "Pages asked for by people, by name of the view and class of the answer.",
    ["view", "status"],
    registry=COUNTED,
)
REQUEST_SECONDS = Histogram(
    "portal_web_request_seconds",
    "How long a page took.",
    ["view"],
    buckets=_SLOW,
    registry=COUNTED,
)
TASKS = Counter(
    "portal_tasks_total",
    "Tasks a worker has had in hand, by how they ended.",
    ["task", "outcome"],
    registry=COUNTED,
)
TASK_SECONDS = Histogram(
    "portal_task_seconds", "How long a task took.", ["task"], buckets=_SLOW, registry=COUNTED
)

# --- Decisions ------------------------------------------------------------------------------
# Writing a number where other processes see it takes microseconds, and there are three to write.
# So a door only notes what it did, and a thread of each process writes it all down twice a second.
WRITTEN_EVERY = 0.5
_MOST = 100_000  # of a folder that takes nothing, the latest
_noted: deque[tuple[str, str, float]] = deque(maxlen=_MOST)
_writing = threading.Lock()
_writer: threading.Thread | None = None


def note_decision(*, door: str, code: str, seconds: float) -> None:
    """Count one answer of a machine's door. `door` is its name in our code; `code` one of CODES.

    Costs a fraction of a microsecond. /metrics tells of it within half a second.
    """
    _noted.append((door, code, seconds))
    if _writer is None:
        _start_writer()


def write_down() -> None:
    """Write what was noted since the last time. Raises OSError when the folder takes nothing."""
    with _writing:
        found = [_noted.popleft() for _ in range(len(_noted))]
        for (door, code), times in Tally((door, code) for door, code, _ in found).items():
            DECISIONS.labels(door, code if code in CODES else "other").inc(times)
        took: dict[str, list[float]] = defaultdict(list)
        for door, _code, seconds in found:
            took[door].append(seconds)
        for door, amounts in took.items():
            DECISION_SECONDS.labels(door).observe_all(amounts)


def _start_writer() -> None:
    global _writer  # noqa: PLW0603 - one thread a process, started lazily so that forks stay clean
    with _writing:
        if _writer is None:
            _writer = threading.Thread(target=_write_forever, name="metrics", daemon=True)
            _writer.start()


def _write_forever() -> None:
    while True:
        time.sleep(WRITTEN_EVERY)
        try:
            write_down()
        except OSError as error:
            log.warning("decisions are not counted: %s", type(error).__name__)


def _after_fork() -> None:
    """A child has no thread but its first, and what its parent noted is the parent's to write."""
    global _noted, _writer, _writing
    _noted, _writer, _writing = deque(maxlen=_MOST), None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


# --- Pages and tasks ------------------------------------------------------------------------
def note_request(*, view: str, status: int, seconds: float) -> None:
    """Count one page; `view` is the name of its route."""
    try:
        REQUESTS.labels(view, f"{status // 100}xx").inc()
        REQUEST_SECONDS.labels(view).observe(seconds)
    except OSError as error:  # no disk is worth a page
        log.warning("a request is not counted: %s", type(error).__name__)


def note_task(*, task: str, outcome: str, seconds: float | None) -> None:
    """Count one task; `seconds` is None for one whose process was killed."""
    try:
        TASKS.labels(task, outcome).inc()
        if seconds is not None:
            TASK_SECONDS.labels(task).observe(seconds)
    except OSError as error:
        log.warning("a task is not counted: %s", type(error).__name__)


class _Everybody(MultiProcessCollector):
    """What all have written so far."""

    def collect(self) -> Iterable[Metric]:
        found: Iterable[Metric] = self.merge(map(str, folder.written()), accumulate=True)
        return found


def as_text() -> bytes:
    """What all processes of this machine have counted, in Prometheus's text format."""
    write_down()
    if not folder.is_shared():
        return generate_latest(COUNTED)
    with folder.locked():
        folder.put_dead_together()
        return generate_latest(_Everybody(None))
