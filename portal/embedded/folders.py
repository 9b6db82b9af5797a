"""Private folders, files and locks, and who may read what."""

import contextlib
import fcntl
import functools
import os
import pwd
import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from portal.embedded.errors import EngineError

PREFIX = "portal-engine-"
OWNER = "owner"  # in a copy, a link back to the link that leads to it


def private(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(path: Path, text: str) -> None:
    """Write a file only we can read; it appears with its whole content or not at all."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        beside.unlink()
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    beside.rename(path)


def password(home: Path) -> str:
    """Return the engines' password, made at the first call."""
    path = home / "password"
    if not path.exists():
        write_private(path, secrets.token_hex(32))
    return path.read_text()


def hold(path: Path, stack: ExitStack, *, wait: float = 0, kind: int = fcntl.LOCK_EX) -> int | None:
    """Lock `path` until the stack ends; None when another process still has it after `wait` s."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            time.sleep(0.05)
        else:
            stack.callback(os.close, descriptor)
            return descriptor


@functools.cache
def engine_user() -> pwd.struct_passwd | None:
    """Who runs the engines when we are root, because PostgreSQL refuses to; None means we do."""
    if os.geteuid() != 0:
        return None
    for name in ("nobody", "daemon"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EngineError("Root needs a user `nobody` or `daemon` to run PostgreSQL as.")


def give(folder: Path) -> Path:
    """Let the engines' user, and nobody else, have this folder, made if it is not there."""
    private(folder)
    if user := engine_user():
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def within_reach(binary: Path, package: Path, copy: Path, stack: ExitStack) -> Path:
    """Return `binary`, or its like in a copy of `package` if the engines' user cannot get at it.

    `copy` becomes a link to the copied files and serves to find them after a `kill -9`.
    """
    user = engine_user()
    if user is None or _open_to_all(binary):
        return binary
    temporary = _open_temporary_folder()
    _sweep_copies(temporary)
    copy.symlink_to(tempfile.mkdtemp(prefix=PREFIX, dir=temporary))
    stack.callback(remove_copy, copy)
    place = copy.readlink()
    (place / OWNER).symlink_to(copy.absolute())
    for tree in (package, package.with_name(f"{package.name}.libs")):
        if tree.exists():
            unneeded = shutil.ignore_patterns("include", "*.py", "__pycache__")
            shutil.copytree(tree, place / tree.name, ignore=unneeded)
    for path in (place, *place.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return place / binary.relative_to(package.parent)


def remove_copy(copy: Path) -> None:
    if copy.is_symlink():
        shutil.rmtree(copy.readlink(), ignore_errors=True)
        copy.unlink()


def _sweep_copies(temporary: Path) -> None:
    """Remove copies whose owner was killed and its folder then deleted, link and all."""
    for place in temporary.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            link = (place / OWNER).readlink()
            if not link.is_symlink() or link.readlink() != place:
                shutil.rmtree(place, ignore_errors=True)


def _open_to_all(path: Path) -> bool:
    return all(each.stat().st_mode & 0o001 for each in (path, *path.parents))


def _open_temporary_folder() -> Path:
    for folder in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - mkdtemp in it
        if folder.is_dir() and _open_to_all(folder):
            return folder
    raise EngineError("No temporary folder that all users can enter.")
