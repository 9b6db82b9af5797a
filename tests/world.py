"""A database with the whole demo programme in it, for tests that look at everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import override_settings

from tests.emptying import empty_database, keep_what_is_committed


def load_world(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Path]:
    """Load the demo once and take it back after all tests that share it.

    Each test's own transaction nests in this one. Returns the folder of the demo's files.
    """
    folder = tmp_path_factory.mktemp("demo")
    with django_db_blocker.unblock(), _demo_in(folder), transaction.atomic():
        call_command("demo", verbosity=0)
        yield folder
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def committed_world(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Path]:
    """The same, committed: a live server's threads see nothing else.

    The module's tests share it, so they leave it as it is; it is emptied after the last.
    """
    folder = tmp_path_factory.mktemp("demo")
    with django_db_blocker.unblock(), _demo_in(folder):
        call_command("demo", verbosity=0)
    with _demo_in(folder), keep_what_is_committed():
        yield folder
    with django_db_blocker.unblock():
        empty_database()


def _demo_in(folder: Path) -> override_settings:
    return override_settings(
        DATA_DIR=folder,
        EMAIL_FILE_PATH=folder / "mail",
        DEMO=True,
        DOORBELL=False,
        # Eight people have a password, and hashing is slow on purpose.
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )


world = pytest.fixture(scope="module", name="world")(load_world)
