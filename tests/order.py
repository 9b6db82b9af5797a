"""In what order the tests run, when several workers share them.

pytest-xdist gives each worker an equal share of the list, and one that has finished takes from the
end of another's. Tests of faults and journeys wait for processes more than they work. They stand
beside each other in the list: one worker had them all and waited through most of them, and in the
end the others waited for it. Here every other worker begins with some of them while the rest keep
the processors busy; those begin with the browser's, which take seconds each, so that what is left
to be taken in the end is short.

pytest-django puts those first that need no commit, of all files, and so takes files apart, whose
tests share what is dear to make. Nothing here asks for that: what is committed is taken away.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import chain, cycle, islice
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_WAITING = [_HERE / "faults", _HERE / "journeys"]
_LONG = [_HERE / "browser"]


def dealt(items: list[pytest.Item], workers: int) -> Iterator[pytest.Item]:
    """The same items, share by share, those of a file together as they came."""
    files: dict[Path, list[pytest.Item]] = defaultdict(list)
    for item in items:
        files[item.path].append(item)
    hands: list[list[pytest.Item]] = [[] for _ in range(workers)]
    for first, folders in enumerate([_WAITING, _LONG]):
        takers = cycle(hands[first::2] or hands)
        for path in [path for path in files if _is_in(path, folders)]:
            next(takers).extend(files.pop(path))
    others = chain.from_iterable(files.values())
    for worker, hand in enumerate(hands):
        yield from hand
        share = len(items) * (worker + 1) // workers - len(items) * worker // workers
        yield from islice(others, max(0, share - len(hand)))
    yield from others


def _is_in(path: Path, folders: list[Path]) -> bool:
    return any(folder in path.parents for folder in folders)
