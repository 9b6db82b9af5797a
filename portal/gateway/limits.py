"""How often one address may fail to prove that it is a gateway, or that it has a key.

Only failures count, and whoever proves it is answered whatever came from the same address
before: behind one address may stand a good gateway and one with an old secret.

Made-up keys must not cost PostgreSQL what their makers like. So each process counts by itself and
tells the cache's table of every tenth failure only, where it learns what the others have counted.
"""

import logging
import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from allauth.core.internal.ratelimit import get_ip
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest

MOST_FAILURES = 60
WINDOW = 60  # seconds
TOLD_EVERY = 10  # by so many failures a further process may let an address go beyond the limit
MOST_ADDRESSES = 10_000

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Count:
    known: int = 0
    untold: int = 0


class Failures:
    """What one process knows of this minute of the clock. An address that was not heard of for
    longest makes room, and then begins anew with what the table says.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self, minute: int = 0) -> None:
        self._minute = minute
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def wait_after(self, address: str) -> int:
        """Count one failure; return 0, or how many seconds to wait when there were too many."""
        minute, into = divmod(time.time(), WINDOW)
        with self._lock:
            count = self._count(address, int(minute))
            if count.known >= MOST_FAILURES:
                return math.ceil(WINDOW - into)
            count.known += 1
            count.untold += 1
            if count.untold < TOLD_EVERY:
                return 0
            untold, count.untold = count.untold, 0
        # Without the lock: nobody else is kept waiting by an address that fails.
        told = _tell(f"gateway:failed:{address}:{int(minute)}", untold)
        with self._lock:
            count.known = max(count.known, told)
        return 0

    def _count(self, address: str, minute: int) -> _Count:
        if minute != self._minute:
            self.forget(minute)
        count = self._counts.setdefault(address, _Count())
        self._counts.move_to_end(address)
        if len(self._counts) > MOST_ADDRESSES:
            self._counts.popitem(last=False)
        return count


def _tell(key: str, untold: int) -> int:
    """Add to what all processes have told; return the sum. A cache that cannot be asked adds none.

    Of what several tell at the very same time some goes uncounted.
    """
    try:
        told = int(cache.get(key, 0)) + untold
        cache.set(key, told, timeout=2 * WINDOW)
    except (DatabaseError, InterfaceError) as error:
        log.warning("failures of gateways are not shared: %s", type(error).__name__)
        return 0
    return told


_failures = Failures()


def wait_after_failure(request: HttpRequest) -> int:
    """As `Failures.wait_after`, of whoever sends this."""
    return _failures.wait_after(get_ip(request))


def forget_all() -> None:
    """As a process that has just started."""
    _failures.forget()
