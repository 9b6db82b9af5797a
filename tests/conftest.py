"""What holds for every test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings

from tests.processes import worker  # noqa: F401 - a fixture
from tests.world import world  # noqa: F401 - a fixture

# A busy machine is slow, which is no fault of what is tried.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Hash the passwords of people who do not exist a thousand times rather than a million."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1_000)
        yield


@pytest.fixture(autouse=True)
def _silent_doorbell(settings):
    """No worker is rung unless a test starts one: tests then look at rows nobody finished."""
    settings.DOORBELL = False


# What `migrate` made and every test needs: the roles and what they may do.
_KEPT = (
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
)


@pytest.fixture(scope="session", autouse=True)
def _empty_after_transactional_tests() -> Iterator[None]:
    """Empty the database after a test that committed, faster than Django's own way.

    Django's makes every permission anew each time, which takes longer than most tests, and
    stumbles over the append-only tables.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _empty_database())
        yield


def _empty_database() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(tablename) FROM pg_tables"
            " WHERE schemaname = current_schema() AND NOT tablename = ANY(%s)",
            [list(_KEPT)],
        )
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT FROM {t})" for t in tables)
        )
        filled = [name for (name,) in cursor.fetchall()]
        if filled:
            with _unsealed(cursor):
                cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")


@contextmanager
def _unsealed(cursor: CursorWrapper) -> Iterator[None]:
    """Put aside what refuses to empty an append-only table, within this transaction only."""
    cursor.execute(
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
        " WHERE tgfoid = 'portal_refuse_change'::regproc"
    )
    sealed = [name for (name,) in cursor.fetchall()]
    for table in sealed:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"GRANT TRUNCATE ON {table} TO CURRENT_USER")
    yield
    for table in sealed:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute(f"REVOKE TRUNCATE ON {table} FROM CURRENT_USER")


@pytest.fixture
def concurrently() -> Callable[..., list[Any]]:
    """Run a call in several real threads at once, each with its own connection.

    Returns what each returned or raised, in no order. Needs a transactional database.
    """
    import threading  # noqa: PLC0415
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    def run(*calls: Callable[[], Any]) -> list[Any]:
        barrier = threading.Barrier(len(calls))

        def one(call: Callable[[], Any]) -> Any:
            try:
                barrier.wait(timeout=20)
                return call()
            except Exception as error:  # noqa: BLE001 - the outcome is what the test looks at
                return error
            finally:
                connection.close()

        with ThreadPoolExecutor(len(calls)) as pool:
            return [future.result(timeout=60) for future in [pool.submit(one, c) for c in calls]]

    return run
