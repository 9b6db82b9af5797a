"""The demo holds what the README promises, all of it made by services."""

import re
from collections import Counter

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Organization, User
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.audit.models import Event
from portal.credentials.enums import DenyCode
from portal.credentials.facts import read_facts
from portal.credentials.models import Credential, Revocation
from portal.credentials.verification import decide
from portal.demo.guard import DemoRefusedError, refuse_demo_accounts
from portal.demo.texts import RELEASE
from portal.gateway.authentication import authenticate
from portal.programs.models import Capability, RolloutPhase
from portal.programs.selectors import open_phases
from tests.factories.gateway import basic

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]


def counted(rows):
    return dict(Counter(rows))


def test_forty_applications_in_every_state():
    often = {"granted": 22, "in_review": 4, "submitted": 2, "draft": 2, "declined": 2}
    once = dict.fromkeys(set(ApplicationStatus.values) - set(often), 1)
    assert counted(Application.objects.values_list("status", flat=True)) == often | once
    assert Application.objects.count() == 40


def test_twenty_live_keys_two_to_claim_one_revoked_and_re_issued_through_a_case():
    statuses = Credential.objects.values_list("status", flat=True)
    assert counted(statuses) == {"active": 20, "ready": 2, "revoked": 1}
    assert Revocation.objects.get().status == "completed"


def test_the_door_lets_exactly_the_live_keys_through():
    codes = [
        decide(
            read_facts(kid),
            audience=RELEASE["audience"],
            scope="model:infer",
            now=timezone.now(),
        ).code
        for kid in Credential.objects.values_list("kid", flat=True)
    ]
    assert counted(codes) == {"": 20, DenyCode.KEY_NOT_ACTIVE: 2, DenyCode.KEY_REVOKED: 1}


def test_three_phases_one_open_and_four_capabilities_over_three_tiers():
    assert RolloutPhase.objects.count() == 3
    assert open_phases().count() == 1
    tiers = Capability.objects.values_list("tier", flat=True)
    assert counted(tiers) == {"standard": 2, "elevated": 1, "critical": 1}


def test_two_organisations_and_five_staff_with_one_role_each():
    assert Organization.objects.count() == 2
    roles = User.objects.filter(is_staff=True).values_list("groups__name", flat=True)
    assert counted(roles) == dict.fromkeys(
        ["auditor", "decider", "incident_responder", "programme_manager", "reviewer"], 1
    )


def test_files_for_the_runner_are_private(world):
    modes = {path.name: path.stat().st_mode & 0o777 for path in (world / "demo").iterdir()}
    assert modes == {"gateway.env": 0o600, "welcome.txt": 0o600}


def test_production_never_starts_on_it(settings):
    settings.DEMO = False
    with pytest.raises(DemoRefusedError, match="known passwords"):
        refuse_demo_accounts()


def test_files_that_are_missing_are_written_anew_with_a_secret_that_is_known(world, settings):
    (old,) = re.findall(r"SECRET=(.+)", (world / "demo" / "gateway.env").read_text())
    settings.DATA_DIR = world / "elsewhere"
    call_command("demo")
    said = (settings.DATA_DIR / "demo" / "gateway.env").read_text()
    client_id, new = re.fullmatch(r"\w+_ID=(.+)\n\w+_SECRET=(.+)\n", said).groups()
    assert [bool(authenticate(basic(client_id, each))) for each in (old, new)] == [False, True]
    assert "trusted-access-demo" in (settings.DATA_DIR / "demo" / "welcome.txt").read_text()


def test_a_second_load_changes_nothing():
    events = Event.objects.count()
    call_command("demo")
    assert Event.objects.count() == events
