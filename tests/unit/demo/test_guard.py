"""Known passwords and production never meet."""

import subprocess
import sys

import pytest
from django.core.management import call_command

from accounts.models import User
from portal.audit.services import System
from portal.demo.guard import DemoRefusedError, mark_as_demo, refuse_demo_accounts
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
