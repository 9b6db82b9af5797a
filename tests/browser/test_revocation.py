"""A responder revokes many keys in a real browser, from the list to the report."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.credentials import services
from portal.credentials.models import Credential, Revocation
from portal.credentials.services import word_of
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.browser.watching import become, look, session_of
from tests.factories.accounts import OrganizationFactory
from tests.factories.applications import ApplicationFactory
from tests.factories.credentials import CredentialFactory, GrantFactory, make_live_key
from tests.factories.programs import CapabilityFactory, RolloutPhaseFactory
from tests.factories.reviews import staff
from tests.factories.stories import WORKER


@pytest.fixture
def phase():
    phase = RolloutPhaseFactory(release__name="Halcyon", name="Early partners")
    for scope, tier in (("model:infer", "standard"), ("cyber:triage", "elevated")):
        CapabilityFactory(release=phase.release, scope=scope, tier=tier)
    for name in ("Polar Institute", "University of the North Sea", None):
        partner = OrganizationFactory(name=name) if name else None
        for scopes in (["model:infer"], ["model:infer", "cyber:triage"]):
            made = {"phase": phase, "organization": partner, "status": "granted"}
            application = ApplicationFactory(**made, scopes=scopes)
            make_live_key(grant__application=application, grant__scopes=scopes, name="Server")
    CredentialFactory(grant__application__phase=phase)
    GrantFactory(application__phase=phase, status="suspended")
    return phase


def see(page, heading):
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    look(page)


def test_from_choosing_to_the_report(open_page, phase):
    page = open_page(width=1280, scheme="light")
    become(page, session_of(staff("incident_responder", name="Ines Duarte")))

    page.goto("/admin/credentials/revocation/")
    see(page, "Revocations")
    page.get_by_role("link", name="Revoke many keys").click()
    see(page, "Revoke many keys")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("link", name="Reason: Choose a reason.")).to_be_visible()
    look(page)

    page.get_by_label("Title").fill("Keys in a dump")
    page.get_by_role("listbox", name="Phase").select_option("Halcyon: Early partners")
    expect(page.get_by_role("status").filter(has_text="7 live keys")).to_be_visible()
    page.get_by_label("Reason").select_option("Security incident")
    page.get_by_label("Note").fill("Keys seen in a dump at 03:12.")
    page.get_by_role("button", name="Preview").click()
    see(page, "Revoke 7 keys?")

    word = word_of(Revocation.objects.get().digest)
    page.get_by_label("Type the word").fill(word)
    page.get_by_label("Type the number of keys").fill("77")
    page.get_by_role("button", name="Revoke 7 keys now").click()
    expect(page.get_by_label("Type the number of keys")).to_have_value("77")
    expect(page.get_by_text("Nothing was revoked. Type 7 to confirm.").first).to_be_visible()
    look(page)
    assert Credential.objects.filter(status="revoked").count() == 0

    page.get_by_label("Type the number of keys").fill("7")
    page.get_by_role("button", name="Revoke 7 keys now").click()
    see(page, "Revoked; partners are being told")
    assert Credential.objects.filter(status="revoked").count() == 7

    # The page follows by itself what a worker does, and becomes the report.
    case = Revocation.objects.get()
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoked; mails are leaving")
    mails = OutgoingMail.objects.filter(case=case.ref).order_by("pk")
    mails.update(next_attempt_at=timezone.now())
    for number, mail in enumerate(mails, start=1):
        deliver_mail(mail_id=mail.pk)
        if number == 1:
            expect(page.get_by_role("progressbar")).to_have_attribute("value", "1")
            expect(page.get_by_text("Left, at this rate")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoked, and every partner told")
    expect(page.get_by_role("progressbar")).to_have_attribute("value", str(mails.count()))
    look(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == f"{case.ref}.csv"


def test_the_count_leaves_the_file_at_home(open_page, phase):
    """It is asked for at every change, and a file may be twenty megabytes."""
    page = open_page()
    become(page, session_of(staff("incident_responder")))
    page.goto("/admin/credentials/revocation/add/")
    page.get_by_label("Or a CSV file").set_input_files(
        {"name": "leak.csv", "mimeType": "text/csv", "buffer": b"kid\nIn-the-file\n"}
    )
    with page.expect_request("**/revocation/count/") as asked:
        page.get_by_role("listbox", name="Phase").select_option("Halcyon: Early partners")
    expect(page.get_by_role("status").filter(has_text="7 live keys")).to_be_visible()
    sent = asked.value.post_data_buffer
    assert b'name="phase"' in sent
    assert b"leak.csv" not in sent
    assert b"In-the-file" not in sent
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("Line 2 of the file is not a key id.").first).to_be_visible()


def test_grants_and_keys(open_page, phase):
    page = open_page(width=360, scheme="dark")
    become(page, session_of(staff("incident_responder")))
    key, token = make_live_key(grant__application__phase=phase, name="Build server")

    page.goto("/admin/credentials/grant/")
    see(page, "Grants")
    page.get_by_role("link", name=re.compile(key.grant.ref)).click()
    see(page, str(key.grant.holder))
    page.get_by_role("link", name="Suspend").click()
    see(page, f"Suspend {key.grant.ref}?")
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_text("Resume…")).to_be_visible()

    page.goto("/admin/credentials/credential/")
    see(page, "Credentials")
    page.get_by_label("Search").fill(token)
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(f"q={key.kid}$"))
    page.get_by_role("link", name=re.compile(key.kid)).click()
    see(page, key.kid)
    page.get_by_role("link", name="Revoke key").click()
    see(page, f"Revoke key {key.kid}?")
    page.get_by_label("The key leaked").check()
    page.get_by_role("button", name="Revoke this key").click()
    see(page, key.kid)
    expect(page.get_by_text("This key gives no access any more.")).to_be_visible()


def test_ticked_keys_without_javascript(open_page, phase):
    page = open_page(javascript=False)
    become(page, session_of(staff("incident_responder")))
    page.goto("/admin/credentials/credential/")
    for box in page.locator("tbody input[type=checkbox]").all()[:2]:
        box.check()
    page.locator("select[name=action]").select_option("Revoke selected keys…")
    page.get_by_role("button", name="Run").or_(page.get_by_role("button", name="Go")).click()
    page.get_by_label("Title").fill("Two that misbehave")
    page.get_by_label("Reason").select_option("Misuse")
    page.get_by_role("button", name="Preview").click()
    page.get_by_label("Type the word").fill(word_of(Revocation.objects.get().digest))
    page.get_by_label("Type the number of keys").fill("2")
    page.get_by_role("button", name="Revoke 2 keys now").click()
    expect(page.get_by_role("link", name="Reload")).to_be_visible()
    services.finish_revocation(revocation_id=Revocation.objects.get().pk, by=WORKER)
    page.get_by_role("link", name="Reload").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoked; mails are leaving")
    OutgoingMail.objects.update(next_attempt_at=timezone.now())
    for mail in OutgoingMail.objects.filter(sent_at=None):
        deliver_mail(mail_id=mail.pk)
    page.get_by_role("link", name="Reload").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoked, and every partner told")
