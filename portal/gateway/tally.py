"""What the gateway tells the portal of how much was used: counts, gathered and sent in batches.

Kept in this process and sent every few seconds, so that no call waits for it. A report keeps its
id until it is known to have arrived, and the portal counts an id once: a lost answer, a retry or
a portal that is down for hours leave the numbers right. A process killed outright takes the last
few seconds with it: these are counts to look at, not what limits are held by.

Like metering.py it knows nothing of Django.
"""

import json
import logging
import multiprocessing.util
import threading
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from http import HTTPStatus

EVERY = 5.0  # seconds
AT_ONCE = 500  # entries of a report
MOST = 10_000  # grants and days kept while the portal is away
NOT_YET = "day_not_begun"  # the portal's clock is behind ours: to be sent again later

log = logging.getLogger(__name__)

Answer = tuple[int, bytes]  # (status, body)
Send = Callable[[bytes], Answer | None]
_NEVER = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


@dataclass(frozen=True, slots=True)
class Used:
    """What one call, or many, came to. `refused` are calls that a limit turned away."""

    grant: str
    day: date
    requests: int = 0
    tokens: int = 0
    refused: int = 0

    def __add__(self, more: "Used") -> "Used":
        return Used(
            self.grant,
            self.day,
            self.requests + more.requests,
            self.tokens + more.tokens,
            self.refused + more.refused,
        )


class Tally:
    """Adds up and sends. `send` takes a report's JSON; None when there was no answer."""

    def __init__(self, send: Send, *, every: float = EVERY) -> None:
        self._send = send
        self._every = every
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, date], Used] = {}
        self._sending = threading.Lock()
        self._unsent: tuple[bytes, list[Used]] | None = None
        self._started = False

    def add(self, used: Used) -> None:
        self._keep(used)
        with self._lock:
            starting, self._started = not self._started, True
        if starting:  # here and not earlier: a server forks its workers after importing this
            self._start()

    def flush(self) -> bool:
        """Send what is kept by now; whether all of it arrived."""
        later: list[Used] = []
        with self._sending:
            for _ in range(2 + len(self._kept) // AT_ONCE):
                self._unsent = self._unsent or self._next_report()
                if self._unsent is None:
                    break
                report, entries = self._unsent
                not_yet = _settled(self._send(report), entries)
                if not_yet is None:
                    break
                self._unsent, later = None, later + not_yet
            done = self._unsent is None
        for used in later:
            self._keep(used)
        return done

    def _start(self) -> None:
        # Run at the end of servers' workers too, which pass by what atexit would do.
        multiprocessing.util.Finalize(None, self.flush, exitpriority=1)
        threading.Thread(target=self._go_on, name="usage", daemon=True).start()

    def _go_on(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._every):
            try:
                self.flush()
            except Exception:  # nobody else would start this thread again
                log.exception("usage could not be reported")

    def _keep(self, used: Used) -> None:
        place = (used.grant, used.day)
        with self._lock:
            if place in self._kept:
                self._kept[place] += used
            elif len(self._kept) < MOST:
                self._kept[place] = used

    def _next_report(self) -> tuple[bytes, list[Used]] | None:
        with self._lock:
            entries = [self._kept.pop(place) for place in list(self._kept)[:AT_ONCE]]
        if not entries:
            return None
        told = [asdict(used) | {"day": used.day.isoformat()} for used in entries]
        return json.dumps({"report": str(uuid.uuid4()), "entries": told}).encode(), entries


def _settled(answer: Answer | None, entries: list[Used]) -> list[Used] | None:
    """What of a report is to be sent again later, in another; None: send this one again."""
    if answer is None:
        return None
    status, body = answer
    try:
        refused = {each["entry"]: each["reason"] for each in json.loads(body)["not_counted"]}
        not_yet = [entries[at] for at, why in refused.items() if why == NOT_YET]
        lost = {entries[at].grant: why for at, why in refused.items() if why != NOT_YET}
    except (ValueError, LookupError, TypeError):  # an error, or not the portal
        log.warning("a usage report was answered with %s", status)
        return [] if status in _NEVER else None
    if lost:
        log.warning("usage the portal does not count: %s", lost)
    return not_yet
