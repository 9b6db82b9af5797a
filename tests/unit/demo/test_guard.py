"""Known passwords and production never meet."""

import subprocess
import sys

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from portal.audit.services import System, record_event
from portal.demo.guard import (
    DemoRefusedError,
    is_demo,
    mark_as_demo,
    refuse_demo_accounts,
    refuse_what_is_not_ours,
)
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.programs import ModelReleaseFactory
from tests.processes import finished, free_port, portal_environment, production_environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def _production(settings):
    settings.DEMO = False


@pytest.mark.usefixtures("_production")
def test_production_refuses_to_load_the_demo():
    with pytest.raises(DemoRefusedError, match="not a demo"):
        call_command("demo")
    assert User.objects.count() == 0


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


def happened():
    ref = "USR-34679ACD"
    record_event("release.published", subject=ref, thread=ref, by=System("shell"))


OWN = {
    "people": UserFactory,
    "organisations": OrganizationFactory,
    "programmes": ModelReleaseFactory,
    "a log of what happened": happened,
}


@pytest.mark.parametrize("what", OWN)
def test_the_demo_keeps_away_from_a_database_with_data_of_its_own(what):
    OWN[what]()
    _forget_a_migration()
    before = User.objects.count()
    with pytest.raises(DemoRefusedError, match=what) as refused:
        call_command("demo", "--migrate")
    assert "nothing was changed" in str(refused.value)
    assert User.objects.count() == before
    assert "portal_heartbeat" not in connection.introspection.table_names()


OF_ANOTHER = {
    "one of Django's": "INSERT INTO django_migrations (app, name, applied) VALUES ('w', '', now())",
    "any other": "ALTER TABLE django_migrations RENAME TO pages",
}


@pytest.mark.parametrize("kind", OF_ANOTHER)
def test_the_demo_keeps_away_from_another_programs_tables(kind):
    with connection.cursor() as cursor:
        cursor.execute(OF_ANOTHER[kind])
    with pytest.raises(DemoRefusedError, match="tables of another program"):
        call_command("demo", "--migrate")
    assert not User.objects.exists()


def test_an_empty_database_may_be_a_demos_and_so_may_a_demos():
    refuse_what_is_not_ours()
    mark()
    UserFactory()  # somebody who signed up in it
    refuse_what_is_not_ours()


@pytest.mark.django_db(transaction=True)
def test_make_run_ends_at_once_on_such_a_database(tmp_path):
    UserFactory()
    started = subprocess.run(
        [sys.executable, "-m", "portal.run"],
        env=portal_environment(DATA_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert started.returncode == 1
    assert "data of its own (people): nothing was changed" in started.stderr
    assert "Starting web" not in started.stdout
    assert not is_demo()


def _forget_a_migration():
    """As a database that an older release made: `migrate` would make this table."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE portal_heartbeat")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'portal'")


CELERY = [sys.executable, "-m", "celery", "-A", "portal"]
ENTRIES = {
    "web": [sys.executable, "-m", "granian", "--interface", "wsgi", "portal.wsgi:application"],
    "worker": [*CELERY, "worker", "--pool", "solo"],
    "beat": [*CELERY, "beat"],
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ENTRIES)
def test_nothing_of_production_starts_on_a_demo_database(what, tmp_path):
    mark()
    env = production_environment(DATA_DIR=str(tmp_path), GRANIAN_PORT=str(free_port()))
    ended = finished(ENTRIES[what], env)
    assert ended.returncode == 1
    assert "known passwords" in ended.stderr
