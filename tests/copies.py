"""Databases that are made once a run and then copied, by whichever test worker wants one.

To migrate takes seconds and so does the demo programme; a copy takes a tenth of one.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.test import override_settings
from psycopg.errors import InsufficientPrivilege

from portal.embedded import hold
from tests.servers import COPIED

MIGRATED, DEMO = COPIED
PATIENCE = 300  # seconds: somebody else may be loading the demo on a busy machine


@contextmanager
def migrated() -> Iterator[None]:
    """Work in a new database with every table and nothing else in it, until the block ends."""
    _once(MIGRATED, _migrate)
    with _copy(MIGRATED):
        yield


@contextmanager
def demo(folder: Path) -> Iterator[None]:
    """Work in a new database with the demo programme in it; `folder` gets the demo's files."""
    _once(DEMO, _load_demo)
    shutil.copytree(_shared() / DEMO, folder, dirs_exist_ok=True)
    with _copy(DEMO), demo_settings(folder):
        yield


def demo_settings(folder: Path) -> override_settings:
    return override_settings(
        DATA_DIR=folder,
        EMAIL_FILE_PATH=folder / "mail",
        DEMO=True,
        DOORBELL=False,
        # Eight people have a password, and hashing is slow on purpose.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )


def _shared() -> Path:
    """The folder all workers of this run see."""
    return Path(os.environ["TESTS_SHARED"])


def _once(name: str, make: Callable[[], None]) -> None:
    """Make this database unless a worker of this run has made it; wait for one who is at it."""
    done = _shared() / f"{name}.done"
    with ExitStack() as turn:
        if hold(_shared() / f"{name}.lock", turn, wait=PATIENCE) is None:
            raise TimeoutError(f"Nobody finishes {name}.")
        if not done.exists():
            make()
            done.touch()


def _migrate() -> None:
    with _created(MIGRATED, "template1"):
        call_command("migrate", verbosity=0)


def _load_demo() -> None:
    _once(MIGRATED, _migrate)
    folder = _shared() / DEMO
    with _created(DEMO, MIGRATED), demo_settings(folder):
        call_command("demo", verbosity=0)


@contextmanager
def _copy(template: str) -> Iterator[None]:
    name = f"{template}_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    with _created(name, template):
        yield
    _drop(name)


def _drop(name: str) -> None:
    """By force: a server's thread ends a moment later than the browser that asked it. Autovacuum
    is not ours to end; it is done in a moment.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return _order(f"DROP DATABASE {name} WITH (FORCE)")
        except ProgrammingError as error:
            denied = isinstance(error.__cause__, InsufficientPrivilege)
            if not denied or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def _created(name: str, template: str) -> Iterator[None]:
    """Create a database and have this process, all its threads, work in it."""
    _order(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} TEMPLATE {template}")
    before = connection.settings_dict["NAME"]
    _go_to(name)
    try:
        yield
    finally:
        _go_to(before)


def _go_to(name: str) -> None:
    connection.close()
    # One dictionary serves the connections of all threads.
    connection.settings_dict["NAME"] = settings.DATABASES["default"]["NAME"] = name


def _order(*statements: str) -> None:
    # None of them may stand in a transaction, nor be given from the database it is about.
    with connection._nodb_cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


if __name__ == "__main__":  # tests/servers.py begins with it before anybody asks
    django.setup()
    _once(MIGRATED, _migrate)
