"""A database with the whole demo programme in it, for tests that look at everything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import override_settings


def load_world(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Path]:
    """Load the demo once and take it back after all tests that share it.

    Each test's own transaction nests in this one. Returns the folder of the demo's files.
    """
    folder = tmp_path_factory.mktemp("demo")
    with (
        django_db_blocker.unblock(),
        override_settings(DATA_DIR=folder, DEMO=True, DOORBELL=False),
        transaction.atomic(),
    ):
        call_command("demo", verbosity=0)
        yield folder
        transaction.set_rollback(True)


world = pytest.fixture(scope="module", name="world")(load_world)
