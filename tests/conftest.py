"""What holds for every test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings

from tests.processes import worker  # noqa: F401 - a fixture
from tests.world import world  # noqa: F401 - a fixture

# A busy machine is slow, which is no fault of what is tried.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _silent_doorbell(settings):
    """No worker is rung unless a test starts one: tests then look at rows nobody finished."""
    settings.DOORBELL = False


@pytest.fixture(scope="session", autouse=True)
def _flush_append_only_tables() -> Iterator[None]:
    """Let pytest-django empty the database after a transactional test.

    It uses TRUNCATE, which the append-only tables refuse by trigger and by right. Both are put
    aside within the flush's own transaction and stand again when it commits. The cache's table
    belongs to no model, so it is emptied here too.
    """
    operations = type(connection.ops)  # of every connection: browser tests have one of their own
    flush = operations.execute_sql_flush

    def flush_all(self: Any, sql_list: list[str]) -> None:
        flush(
            self,
            [
                *_for_sealed("DISABLE TRIGGER USER", "GRANT", "TO"),
                "TRUNCATE cache",
                *sql_list,
                *_for_sealed("ENABLE TRIGGER USER", "REVOKE", "FROM"),
                *_locks_of_foreign_keys(),
            ],
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "execute_sql_flush", flush_all)
        yield


def _for_sealed(alter: str, verb: str, preposition: str) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
            " WHERE tgfoid = 'portal_refuse_change'::regproc"
        )
        tables = [name for (name,) in cursor.fetchall()]
    for table in tables:
        yield f"ALTER TABLE {table} {alter}"
        yield f"{verb} UPDATE, DELETE, TRUNCATE ON {table} {preposition} CURRENT_USER"


def _locks_of_foreign_keys() -> Iterator[str]:
    """The rights on single columns, which go with the table's own when that is revoked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attrelid::regclass::text, attname FROM pg_attribute"
            " WHERE attrelid IN (SELECT tgrelid FROM pg_trigger"
            " WHERE tgfoid = 'portal_refuse_change'::regproc) AND attacl IS NOT NULL"
        )
        columns = cursor.fetchall()
    for table, column in columns:
        yield f"GRANT UPDATE ({column}) ON {table} TO CURRENT_USER"


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
