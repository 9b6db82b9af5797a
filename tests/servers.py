"""A pytest plugin: real engines for the tests, up before Django reads its settings.

They are started once, by the process that was called; workers (pytest-xdist) inherit their
addresses. pytest-django gives each worker a database of its own, and here each gets a numbered
Redis database and a folder of its own: some plant keys that others search for. Whatever the
environment gives already is left alone.
"""

import base64
import os
import secrets
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

WORKER = "PYTEST_XDIST_WORKER"
COPIED = ("test_portal_migrated", "test_portal_demo")  # tests/copies.py makes them
ROOT = Path(__file__).resolve().parent.parent
ON_DISK = ROOT / ".data" / "tests"
IN_MEMORY = Path("/dev/shm")
ENOUGH = 4 * 2**30  # bytes; a whole run needs a third of a GB, and other programs theirs


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if WORKER in os.environ:
        os.environ["REDIS_URL"] = own_database(os.environ["REDIS_URL"], os.environ[WORKER])
        os.environ["DATA_DIR"] = str(Path(os.environ["DATA_DIR"]) / os.environ[WORKER])
        return
    # Imported late, so that coverage has begun.
    from portal import embedded  # noqa: PLC0415

    stack = ExitStack()
    early_config.add_cleanup(stack.close)
    home, urls = stack.enter_context(embedded.throwaway(data()))
    # The tests start dozens of processes, and each would compile the whole tree for itself.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.update(urls, TESTS_SHARED=str(home))
    if "DATABASE_URL" not in urls:
        stack.callback(forget_copied, os.environ["DATABASE_URL"])
    for name, value in environment(home).items():
        os.environ.setdefault(name, value)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Have the tables made while the workers are busy importing the tests."""
    if WORKER in os.environ or not getattr(session.config.option, "numprocesses", None):
        return
    making = subprocess.Popen([sys.executable, "-m", "tests.copies"], cwd=ROOT)

    def end() -> None:
        making.terminate()
        making.wait()

    session.config.add_cleanup(end)


def data(memory: Path = IN_MEMORY) -> Path:
    """Where the engines' data goes: into memory if there is room, as each database is hundreds of
    files, which are made, copied and thrown away.
    """
    ours = memory / f"trusted-access-portal-tests-{os.geteuid()}"
    try:
        ours.mkdir(mode=0o700, exist_ok=True)
        found, room = ours.lstat(), os.statvfs(ours)
    except OSError:
        return ON_DISK
    # All users may make folders there, and links, under a name that we are going to ask for.
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    private = private and not found.st_mode & 0o077
    return ours if private and room.f_bavail * room.f_frsize >= ENOUGH else ON_DISK


def forget_copied(url: str) -> None:
    """Leave a server that is not ours without the databases that workers copied from."""
    import psycopg  # noqa: PLC0415 - late, as above

    with psycopg.connect(url, autocommit=True) as link:
        for name in COPIED:
            link.execute(f"DROP DATABASE IF EXISTS {name}")


def environment(home: Path) -> dict[str, str]:
    """What the settings need besides the engines' addresses."""
    from portal.variables import new_signing_key  # noqa: PLC0415 - as above

    return {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "CREDENTIAL_PEPPERS": "1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "SIGNING_KEYS": new_signing_key(),
        "DATA_DIR": str(home / "files"),
        "DEMO": "1",
    }


def own_database(url: str, worker: str) -> str:
    """Return the address of this worker's Redis database: gw0 has the first after the given."""
    server, _, number = url.rpartition("/")
    return f"{server}/{int(number) + 1 + int(worker.removeprefix('gw'))}"
