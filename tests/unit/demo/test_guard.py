"""Known passwords and production never meet."""

import pytest
from django.core.management import call_command

from accounts.models import User
from portal.audit.services import System
from portal.demo.guard import DemoRefusedError, mark_as_demo, refuse_demo_accounts

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


@pytest.mark.parametrize("entry", ["portal/wsgi.py", "portal/celery.py"])
def test_web_and_worker_ask_at_start(entry, settings):
    assert "refuse_demo_accounts()" in (settings.BASE_DIR / entry).read_text()
