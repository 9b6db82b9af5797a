"""One world, and one walk a person through it, for all of these tests: both take long.

The worlds of all workers are alike, so one of them walks and the others read what it found.
"""

import fcntl
import os
import pickle
from functools import cache
from pathlib import Path

import pytest
from django.db import transaction

from tests.factories.accounts import UserFactory
from tests.factories.freezes import place
from tests.meta.surface import ask_everything, ask_for_ones_own, ask_the_admin, people
from tests.world import enter_world

world = pytest.fixture(scope="package", name="world")(enter_world)


@pytest.fixture(scope="package")
def asked(world):
    """`asked("stranger")`: every address as this person finds it. Call it in a database test.

    A superuser is asked for with the admin's addresses only; "owners" with what is theirs.
    """

    @cache
    def ask(who):
        found = Path(os.environ["TESTS_SHARED"]) / f"asked-by-{who}"
        with found.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not found.stat().st_size:
                pickle.dump(_walk(who), file)
                file.flush()
            file.seek(0)
            return pickle.load(file)

    return ask


def _walk(who):
    with transaction.atomic():
        place("person", UserFactory().ref)  # the demo has nothing frozen
        answers = _asked_by(who)
        transaction.set_rollback(True)  # the people who asked, too
    return answers


def _asked_by(who):
    if who == "owners":
        return ask_for_ones_own()
    person = people()[who]
    return ask_the_admin(person) if who == "superuser" else ask_everything(person)
