"""The demo holds what the README promises, all of it made by services."""

from collections import Counter

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.enums import StaffRole
from accounts.models import Organization, User
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.audit.models import Event
from portal.credentials.enums import DenyCode
from portal.credentials.facts import read_facts
from portal.credentials.models import Credential, Revocation
from portal.credentials.services import (
    approve_revocation,
    claim_credential,
    preview_revocation,
    start_revocation,
)
from portal.credentials.targets import Selector
from portal.credentials.verification import decide
from portal.demo.guard import DemoRefusedError, refuse_demo_accounts
from portal.demo.texts import RELEASE
from portal.gateway.authentication import authenticate
from portal.gateway.models import Gateway
from portal.gateway.services import disable_gateway
from portal.programs.models import Capability, RolloutPhase
from portal.programs.selectors import open_phases
from tests.factories.cases import typed
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


def test_keys_in_use_were_last_used_after_they_were_claimed():
    for key in Credential.objects.filter(status="active"):
        assert key.claimed_at < key.last_used_at <= timezone.now()


def decided(key, scope="model:infer"):
    facts = read_facts(key.kid)
    return decide(facts, audience=RELEASE["audience"], scope=scope, now=timezone.now())


def test_the_door_lets_exactly_the_live_keys_through():
    codes = [decided(key).code for key in Credential.objects.all()]
    assert counted(codes) == {"": 20, DenyCode.KEY_NOT_ACTIVE: 2, DenyCode.KEY_REVOKED: 1}


def test_keys_to_claim_work_once_they_are():
    for key in Credential.objects.filter(status="ready"):
        claim_credential(kid=key.kid, by=key.grant.holder, name="")
        assert decided(key).code == ""


def test_three_phases_one_open_and_four_capabilities_over_three_tiers():
    assert RolloutPhase.objects.count() == 3
    assert open_phases().count() == 1
    tiers = Capability.objects.values_list("tier", flat=True)
    assert counted(tiers) == {"standard": 2, "elevated": 1, "critical": 1}


def test_one_live_key_is_critical_so_that_revoking_it_takes_two():
    (key,) = Credential.objects.filter(scopes__contains=["cyber:attack-simulation"])
    assert (key.status, decided(key, scope="cyber:attack-simulation").code) == ("active", "")
    responder, lead = (
        User.objects.get(groups__name=role) for role in ("incident_responder", "incident_lead")
    )
    selector = Selector(capability="cyber:attack-simulation")
    case = preview_revocation(selector=selector, reason="misuse", note="", by=responder)
    case = start_revocation(revocation_id=case.pk, by=responder, **typed(case))
    assert (case.status, case.count) == ("awaiting_second", 1)
    approve_revocation(revocation_id=case.pk, by=lead, **typed(case))
    assert decided(key).code == DenyCode.KEY_REVOKED


def test_two_organisations_and_seven_staff_two_of_them_reviewers():
    assert Organization.objects.count() == 2
    roles = User.objects.filter(is_staff=True).values_list("groups__name", flat=True)
    assert counted(roles) == dict.fromkeys(StaffRole.values, 1) | {"reviewer": 2}


def test_files_for_the_runner_are_private(world):
    modes = {path.name: path.stat().st_mode & 0o777 for path in (world / "demo").iterdir()}
    assert modes == {"gateway.env": 0o600, "welcome.txt": 0o600}


def test_production_never_starts_on_it(settings):
    settings.DEMO = False
    with pytest.raises(DemoRefusedError, match="known passwords"):
        refuse_demo_accounts()


def test_a_second_load_changes_nothing():
    events = Event.objects.count()
    call_command("demo")
    assert Event.objects.count() == events


def sandboxes():
    return list(Gateway.objects.order_by("pk").values_list("name", flat=True))


def sandbox_is_let_in(folder):
    lines = (folder / "gateway.env").read_text().split()
    client_id, secret = (line.partition("=")[2] for line in lines)
    return authenticate(basic(client_id, secret))


def test_files_that_are_lost_are_made_anew(world, tmp_path, settings, capsys):
    settings.DATA_DIR = tmp_path
    call_command("demo")
    assert "new ones" in capsys.readouterr().out
    welcome = (world / "demo" / "welcome.txt").read_text()
    assert (tmp_path / "demo" / "welcome.txt").read_text() == welcome
    assert sandboxes() == ["Sandbox", "Sandbox 2"]
    # The other folder's sandbox, which may be running, is let in as before.
    assert sandbox_is_let_in(tmp_path / "demo").sandbox
    assert sandbox_is_let_in(world / "demo").sandbox


def test_credentials_of_another_database_are_replaced(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    (tmp_path / "demo").mkdir()
    elsewhere = "SANDBOX_GATEWAY_ID=GW-0000000000001\nSANDBOX_GATEWAY_SECRET=tpg_elsewhere\n"
    (tmp_path / "demo" / "gateway.env").write_text(elsewhere)
    call_command("demo")
    assert sandbox_is_let_in(tmp_path / "demo").sandbox


def test_a_sandbox_that_was_disabled_stays_so():
    gateway = Gateway.objects.get()
    disable_gateway(gateway_id=gateway.pk, by=gateway.registered_by)
    call_command("demo")
    assert sandboxes() == ["Sandbox"]


def test_without_a_programme_manager_it_is_said_what_to_do(tmp_path, settings):
    settings.DATA_DIR = tmp_path
    User.objects.filter(groups__name="programme_manager").update(is_active=False)
    with pytest.raises(DemoRefusedError, match="no programme manager"):
        call_command("demo")
    assert not (tmp_path / "demo" / "gateway.env").exists()
