"""Known passwords and production never meet."""

import subprocess
import sys

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from portal.audit.models import Event
from portal.audit.services import System, record_event
from portal.demo.guard import (
    DemoRefusedError,
    is_demo,
    mark_as_demo,
    refuse_demo_accounts,
    refuse_what_is_not_ours,
)
from tests.processes import production_environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def _production(settings):
    settings.DEMO = False


@pytest.mark.usefixtures("_production")
def test_production_refuses_to_load_the_demo():
    with pytest.raises(DemoRefusedError, match="not a demo"):
        call_command("demo")
    assert User.objects.count() == 0


@pytest.mark.parametrize("words", [["demo"], ["demo", "--check"]])
@pytest.mark.parametrize("what", ["people", "what happened"])
def test_what_holds_anything_of_its_own_gets_no_known_password(words, what):
    """Nothing could take the mark of a demo back, so production would never start on it again."""
    if what == "people":
        User.objects.create_user("somebody@example.org")
    else:
        record_event(
            "release.published",
            subject="USR-34679ACD",
            thread="USR-34679ACD",
            by=System("shell"),
        )
    before = User.objects.count(), Event.objects.count()
    with pytest.raises(DemoRefusedError, match="a portal of its own: nothing was changed"):
        call_command(*words)
    assert (User.objects.count(), Event.objects.count()) == before
    assert not is_demo()


def test_an_empty_database_and_a_demo_s_own_may_have_it():
    call_command("demo", "--check")
    mark()
    call_command("demo", "--check")
    assert Event.objects.count() == 1


def test_a_database_without_a_table_may_have_it():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event RENAME TO elsewhere")  # rolled back with the test
    refuse_what_is_not_ours()


def mark():
    mark_as_demo(release_ref="REL-34679ACD", by=System("shell"))


@pytest.mark.usefixtures("_production")
def test_production_refuses_to_start_on_demo_accounts():
    mark()
    with pytest.raises(DemoRefusedError, match="known passwords"):
        refuse_demo_accounts()


@pytest.mark.usefixtures("_production")
def test_nobody_keeps_production_from_starting_by_signing_up(client):
    new = {"email": "x@demo.example", "name": "X", "password1": "a long and quiet sentence"}
    assert client.post("/accounts/signup/", new).status_code == 302
    assert User.objects.get().email == "x@demo.example"
    refuse_demo_accounts()


def test_a_demo_starts_on_them():
    mark()
    refuse_demo_accounts()


CELERY = [sys.executable, "-m", "celery", "-A", "portal"]
ENTRIES = {
    "web": [sys.executable, "-c", "import portal.wsgi"],
    "worker": [*CELERY, "worker", "--pool", "solo"],
    "beat": [*CELERY, "beat"],
}


@pytest.mark.django_db(transaction=True)
def test_nothing_of_production_starts_on_a_demo_database(tmp_path):
    mark()
    env = production_environment(DATA_DIR=str(tmp_path))
    started = {
        name: subprocess.Popen(entry, env=env, stderr=subprocess.PIPE, text=True)
        for name, entry in ENTRIES.items()
    }
    try:
        said = {name: each.communicate(timeout=60)[1] for name, each in started.items()}
    finally:
        for each in started.values():
            each.kill()
    assert {name: each.returncode for name, each in started.items()} == dict.fromkeys(ENTRIES, 1)
    assert {name: "known passwords" in text for name, text in said.items()} == dict.fromkeys(
        ENTRIES, True
    )
