"""Known passwords and production never meet."""

import pytest
from django.core.management import call_command

from accounts.models import User
from portal.demo.guard import DemoRefusedError, refuse_demo_accounts

pytestmark = pytest.mark.django_db


@pytest.fixture
def _production(settings):
    settings.DEMO = False


@pytest.mark.usefixtures("_production")
def test_production_refuses_to_load_the_demo():
    with pytest.raises(DemoRefusedError, match="not a demo"):
        call_command("demo")
    assert User.objects.count() == 0


@pytest.mark.usefixtures("_production")
def test_production_refuses_to_start_on_demo_accounts():
    User.objects.create_user("rosa.reviewer@demo.example", "known")
    with pytest.raises(DemoRefusedError, match="known passwords"):
        refuse_demo_accounts()


@pytest.mark.usefixtures("_production")
def test_production_starts_without_them():
    User.objects.create_user("rosa@example.org", "unknown")
    refuse_demo_accounts()


def test_a_demo_starts_on_them():
    User.objects.create_user("rosa.reviewer@demo.example", "known")
    refuse_demo_accounts()


@pytest.mark.parametrize("entry", ["portal/wsgi.py", "portal/celery.py"])
def test_web_and_worker_ask_at_start(entry, settings):
    assert "refuse_demo_accounts()" in (settings.BASE_DIR / entry).read_text()
