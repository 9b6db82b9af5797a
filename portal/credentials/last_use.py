"""When keys were last let through: to ten minutes, written in batches, never a write per call.

A door that says yes calls `note_yes`. A key used a thousand times within ten minutes is noted once
in each process and written once a process; ten minutes are what the pages show.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from portal.batches import Batch, Writer
from portal.credentials import remembered
from portal.credentials.facts import Facts
from portal.credentials.selectors import USE_IS_KNOWN_TO
from portal.credentials.services.using import store_rehashed, store_uses
from portal.credentials.verification import rehashed
from portal.peppers import Rehashed

BUCKET = int(USE_IS_KNOWN_TO.total_seconds())
AT_ONCE = 5000  # rows a statement
REHASHED_AT_ONCE = 100  # of keys themselves, which doors read meanwhile
MOST = 200_000  # keys held in memory

_uses: Batch[datetime] = Batch(MOST)
_rehashed: Batch[Rehashed] = Batch(MOST)
_seen: dict[str, int] = {}  # the bucket in which this process last noted a key
_writer: Writer | None = None


def note_yes(token: str, facts: Facts) -> None:
    """Note that this key was let through. Asks no database."""
    note_use(facts.kid, rehashed(token, facts))


def note_use(kid: str, stale: Rehashed | None = None) -> None:
    """Note a use of this key; `stale` is what to store while its hash is of an older pepper."""
    if stale is not None:
        _rehashed.note(kid, stale)
        remembered.forget(f"key:{kid}")  # or this would be noted until it is read anew
    bucket = int(time.time()) // BUCKET
    if _seen.get(kid) == bucket:
        return
    if len(_seen) >= MOST:
        _seen.clear()  # what is noted twice is written twice, to the same effect
    _seen[kid] = bucket
    _uses.note(kid, datetime.fromtimestamp(bucket * BUCKET, UTC))


def flush_uses() -> int:
    """Write what was noted; returns how many. Raises when the database does, and keeps the rest."""
    hashes = _rehashed.write(lambda notes: store_rehashed(rehashed=notes), at_once=REHASHED_AT_ONCE)
    return hashes + _uses.write(lambda notes: store_uses(uses=notes), at_once=AT_ONCE)


def start_flushing(*also: Callable[[], object]) -> None:
    """Have what is noted written once a second in this process, and `also` called as often.

    Started twice it is started once. Nothing starts it but the web's entry: tests and commands
    write nothing behind one's back.
    """
    global _writer  # noqa: PLW0603 - one thread a process, as of the doorbell
    if _writer is None or not _writer.is_alive:
        _writer = Writer(flush_uses, *also)
        _writer.start()


def stop_flushing() -> None:
    """Write what is noted, and end the thread."""
    global _writer  # noqa: PLW0603 - see above
    if _writer is not None:
        _writer.stop()
        _writer = None
