"""What this process remembers of good keys and gateways, and the proof that it still holds.

Reading all facts of a key takes PostgreSQL ten times as long as saying that nothing has changed.
So facts are kept, and used again only if no epoch about anything they rest on has been written
since they were read. Triggers write epochs in the transaction of every change for the worse, so
whoever asks after `prove(0)` is answered as a fresh reading would answer: a revocation that has
committed is seen, always.

Only what is known to work is kept. A no is read anew each time, so a key that is let through
again works at once. docs/adr/0011 has the measurements and what was weighed.
"""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError

from portal.prepared import TextRows, TextStatement, connection_number

MOST = 200_000
# Seconds anything is kept: a belt besides the braces. Epochs are kept longer (services/epochs.py).
LONGEST = 1800.0
MOST_TOUCHES = 10_000  # then all is forgotten: cheaper than to look through more at each call
FORGETFUL_AFTER = 600.0  # seconds without asking; epochs are kept for an hour

# What is in progress now may still write epochs, under transaction ids from this number on: there
# the next look begins.
_BEGIN = TextStatement("epochs_begin", "SELECT pg_snapshot_xmin(pg_current_snapshot())::text")
# As long as there are none the look begins where it did, and so costs no more than an index does.
# The number and the epochs are of the same moment. The upper bound is never reached: with one,
# PostgreSQL expects few rows whatever the lower one is, and so plans the statement once instead of
# at each call.
_SINCE = TextRows(
    "epochs",
    """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text, id || ' ' || subject
    FROM credentials_epoch WHERE xid >= $1::bigint AND xid < 9223372036854775807
    """,
)
Name = str | bytes


def _look(since: int | None) -> tuple[int, list[str]]:
    """(where the next look begins, epochs from `since` on); None for whoever knows nothing yet."""
    if since is not None:
        rows = _SINCE.rows(str(since))
        return (int(rows[0][0]) if rows else since), [epoch for _begin, epoch in rows]
    row = _BEGIN.row()
    if row is None:  # there is a row without any table
        raise OperationalError("The database gave no answer.")
    return int(row[0]), []


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Any
    subjects: tuple[str, ...]
    moment: int
    until: float


class _Memory:
    """`moment` counts what was learnt of epochs: what was read at an earlier moment than the
    last touch of anything it rests on is void.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.moment = 0
        self.forget()

    def _forget_values(self) -> None:
        # In this order: `recall` reads both without the lock.
        self._kept: OrderedDict[Name, _Kept] = OrderedDict()
        self._touched: dict[str, int] = {}  # subject: at which moment
        self.moment += 1
        self._first = self.moment  # what was read before this is not taken in any more

    def forget(self) -> None:
        self._forget_values()
        self._seen: set[str] = set()  # epochs from `_since` on that were taken in
        self._since: int | None = None
        self._asked_at = 0.0
        self._links: dict[int, int] = {}  # each thread's connection

    def sync(self, within: float) -> None:
        """Make sure that all epochs are known that had committed `within` seconds ago."""
        now, since = time.monotonic(), self._since
        if since is not None and 0 <= now - self._asked_at <= within:
            return
        begin, epochs = _look(since)
        with self._lock:
            # Meanwhile another thread may have begun anew, and kept what it read before the moment
            # that we have asked from: then what we were told is not all there is to know.
            if self._since is None or (since is not None and since <= self._since):
                self._take_in(begin, epochs, now)
                return
        self.sync(within)

    def _take_in(self, since: int, epochs: list[str], now: float) -> None:
        thread, link = threading.get_ident(), connection_number()
        late = self._since is not None and now - self._asked_at > FORGETFUL_AFTER
        # Another connection may lead to another server, a restored one say, with its own numbers.
        if late or self._links.get(thread, link) != link:
            self.forget()
        self._links[thread] = link
        new = [each for each in epochs if each not in self._seen]
        if new:
            self._touch([each.partition(" ")[2] for each in new])
        # Two threads may come back in the other order than they asked.
        if self._since is None or since > self._since:
            self._since, self._seen = since, set(epochs)
        else:
            self._seen.update(new)
        self._asked_at = max(self._asked_at, now)

    def _touch(self, subjects: list[str]) -> None:
        if "everything" in subjects or len(self._touched) + len(subjects) > MOST_TOUCHES:
            self._forget_values()
            return
        self.moment += 1
        for subject in subjects:
            self._touched[subject] = self.moment

    def recall(self, name: Name) -> Any:
        # First what is void, then what is kept: the other way round another thread could forget
        # both in between, and what had long been void would look untouched.
        touched = self._touched
        kept = self._kept.get(name)
        if kept is None or time.monotonic() >= kept.until:
            return None
        for subject in kept.subjects if touched else ():
            if touched.get(subject, 0) > kept.moment:
                return None
        return kept.value

    def touch(self, subject: str) -> None:
        with self._lock:
            self._touch([subject])

    def has_begun(self) -> bool:
        return self._since is not None

    def holds(self, name: Name) -> bool:
        return name in self._kept

    def keep(self, name: Name, value: Any, subjects: tuple[str, ...], moment: int) -> None:
        kept = _Kept(value, subjects, moment, time.monotonic() + LONGEST)
        with self._lock:
            # Without a moment to ask from, nothing would be known of what came after the reading.
            if moment < self._first or self._since is None:
                return
            self._kept.pop(name, None)
            self._kept[name] = kept
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)


_memory = _Memory()


def prove(within: float) -> None:
    """Learn of everything that was taken away up to `within` seconds ago.

    Raises OperationalError when PostgreSQL does not say in time.
    """
    _memory.sync(within)


def holds(name: Name) -> bool:
    """Whether anything is kept under this name, good still or not. Asks nobody."""
    return _memory.holds(name)


def has_begun() -> bool:
    """Whether anything can be kept: only after somebody has asked. Asks nobody."""
    return _memory.has_begun()


def recall(name: Name) -> Any:
    """Return what was good when `prove` was last called, or None: then read it."""
    return _memory.recall(name)


def moment() -> int:
    """Take this after `prove`, and before reading what `remember` is given."""
    return _memory.moment


def remember(name: Name, value: Any, *, subjects: tuple[str, ...], moment: int) -> None:
    """Keep something good, read after `moment` was taken, until a subject is touched."""
    _memory.keep(name, value, subjects, moment)


def forget(subject: str) -> None:
    """Have what rests on it read anew here: it is about to change, and not for the worse."""
    _memory.touch(subject)


def forget_all() -> None:
    """As a process that has just started."""
    _memory.forget()
