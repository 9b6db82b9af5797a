"""What holds for every test."""

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.test import Client, TransactionTestCase, override_settings
from hypothesis import HealthCheck, settings

import portal.urls  # noqa: F401 - with the admin, whose lists are gone through by many tests
from portal.gateway import limits
from tests import clients, copies
from tests.emptying import empty_database
from tests.order import dealt
from tests.processes import worker  # noqa: F401 - a fixture
from tests.world import committed_world, world  # noqa: F401 - fixtures

# A busy machine is slow, which is no fault of what is tried.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if shared := getattr(config, "workerinput", None):
        items[:] = dealt(items, shared["workercount"])


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What there is by now stays to the end: the collector need not look at it time and again.

    Nor need it look at each test's own as often as in a process that lives for months.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker) -> Iterator[None]:
    """In place of pytest-django's: a database of this worker's own, copied rather than migrated."""
    with ExitStack() as stack:
        with django_db_blocker.unblock():
            stack.enter_context(copies.migrated())
        yield
        with django_db_blocker.unblock():
            stack.close()


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords() -> Iterator[None]:
    """Hash the passwords of people who do not exist a thousand times rather than a million."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PBKDF2PasswordHasher, "iterations", 1_000)
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_sign_in() -> Iterator[None]:
    """Let a test's client sign in by one new session, written once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "_login", clients.login)
        yield


@pytest.fixture(autouse=True)
def _nobody_has_failed_at_a_door() -> None:
    """What a process counts is counted anew in each test, as what stands in a table is."""
    limits.forget_all()


@pytest.fixture(scope="session", autouse=True)
def _no_list_of_static_files() -> Iterator[None]:
    """Look a static file up when it is asked for: each test client would list them all anew."""
    with override_settings(WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture(autouse=True)
def _silent_doorbell(settings):
    """No worker is rung unless a test starts one: tests then look at rows nobody finished."""
    settings.DOORBELL = False


@pytest.fixture(scope="session", autouse=True)
def _empty_after_transactional_tests() -> Iterator[None]:
    """Empty the database after a test that committed, faster than Django's own way.

    Django's makes every permission anew each time, which takes longer than most tests, and
    stumbles over the append-only tables.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: empty_database())
        yield


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
