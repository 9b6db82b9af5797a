"""What the doors note as they go, written in batches: never a write per call.

A door calls `Batch.note`, which writes to memory only. One thread a process writes what was noted
once a second, on a database connection of its own, and has none while nothing is noted. A process
that is killed loses a second of notes; so these are for what is nice to know, or comes again.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Generic, TypeVar

from django.db import DatabaseError, InterfaceError, connection

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two writes
IDLE = 10.0  # seconds without a note after which the connection is given back
_noted = threading.Event()

V = TypeVar("V")


class Batch(Generic[V]):
    """Notes by what they are about; of several about one thing the last counts.

    Holds `most` of them. While the database cannot be written to and it is full, what is new is
    dropped rather than memory filled.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._notes: dict[str, V] = {}
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._notes)

    def note(self, about: str, value: V) -> None:
        with self._changing:
            if about in self._notes or len(self._notes) < self._most:
                self._notes[about] = value
        _noted.set()

    def take(self, most: int) -> dict[str, V]:
        """Up to so many of them, which are then no longer here."""
        with self._changing:
            taken = dict(islice(self._notes.items(), most))
            for about in taken:
                del self._notes[about]
        return taken

    def give_back(self, taken: Mapping[str, V]) -> None:
        """What could not be written; where something was noted since, that counts."""
        with self._changing:
            room = self._most - len(self._notes)
            kept = dict(islice(taken.items(), max(room, 0)))
            self._notes = kept | self._notes
        _noted.set()

    def write(self, store: Callable[[Mapping[str, V]], object], *, at_once: int) -> int:
        """Hand all of it to `store`, so many at a time; returns how many. Keeps what failed."""
        written = 0
        while taken := self.take(at_once):
            try:
                store(taken)
            except (DatabaseError, InterfaceError):
                self.give_back(taken)
                raise
            written += len(taken)
        return written


class Writer:
    """The thread. Each of `flushes` is called once a second while anything is noted."""

    def __init__(self, *flushes: Callable[[], object]) -> None:
        self._flushes = flushes
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Not in a process forked since it was started: that one needs a writer of its own."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Write what is noted and end."""
        self._stopped.set()
        _noted.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                if not _noted.wait(IDLE):
                    connection.close()
                    _noted.wait()
                self._stopped.wait(EVERY)
                self._write()
            self._write()
        finally:
            connection.close()

    def _write(self) -> None:
        _noted.clear()
        for flush in self._flushes:
            try:
                flush()
            except (DatabaseError, InterfaceError) as error:  # kept, and tried again in a second
                log.warning("not written yet: %s", type(error).__name__)
                connection.close()
            except Exception:  # what a batch of notes holds must not end all those after it
                log.exception("a batch was not written")
