"""A database with the whole demo programme in it, for tests that look at everything."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import copies
from tests.emptying import keep_what_is_committed


def enter_world(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Path]:
    """Work in a copy of the demo until the last test that shares it, each in its transaction.

    Returns the folder of the demo's files.
    """
    folder = tmp_path_factory.mktemp("demo")
    with ExitStack() as stack:
        with django_db_blocker.unblock():
            stack.enter_context(copies.demo(folder))
        yield folder
        with django_db_blocker.unblock():
            stack.close()


@pytest.fixture(scope="module")
def committed_world(world) -> Iterator[Path]:
    """The same for tests that commit, as those before a live server do.

    The module's tests share it, so they leave it as it is.
    """
    with keep_what_is_committed():
        yield world


world = pytest.fixture(scope="module", name="world")(enter_world)
