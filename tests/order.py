"""In what order the tests run, when several workers share them.

pytest-xdist gives each worker an equal share of the list, and one that has finished takes from the
end of another's. Tests of faults and journeys wait for processes more than they work. They stand
beside each other in the list: one worker had them all and waited through most of them, and in the
end the others waited for it. Here every other worker begins with some of them while the rest keep
the processors busy, and what is left to be taken in the end is short.

pytest-django puts those first that need no commit, of all files, and so takes files apart, whose
tests share what is dear to make. Nothing here asks for that: what is committed is taken away.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import pytest

_WAITING = [Path(__file__).parent / folder for folder in ("faults", "journeys")]


def dealt(items: list[pytest.Item], workers: int) -> Iterator[pytest.Item]:
    """The same items, share by share, those of a file together as they came."""
    files: dict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:
        files[item.path].append(item)
    waiting = [file for path, file in files.items() if _waits(path)]
    others = chain.from_iterable(file for path, file in files.items() if not _waits(path))
    hands = (workers + 1) // 2
    for worker in range(workers):
        hand = [] if worker % 2 else [*chain.from_iterable(waiting[worker // 2 :: hands])]
        yield from hand
        share = len(items) * (worker + 1) // workers - len(items) * worker // workers
        yield from islice(others, max(0, share - len(hand)))
    yield from others


def _waits(path: Path) -> bool:
    return any(folder in path.parents for folder in _WAITING)
