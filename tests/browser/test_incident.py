"""A whole incident in a real browser, from the alarm to new keys: two responders, a partner."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import expect

from portal.credentials.models import Credential, Reissue, Revocation
from portal.credentials.verification import verify
from tests.browser.watching import become, look, session_of, sign_in
from tests.factories import stories
from tests.factories.accounts import PASSWORD, StaffFactory
from tests.factories.cases import typed
from tests.factories.gateway import make_gateway
from tests.factories.reviews import staff


@pytest.fixture
def keys():
    """Of three holders with a critical capability; the last one's runs what must not stop."""
    phase = stories.open_phase()
    make_gateway(phase.release, "Front door")
    return [
        stories.claimed(phase=phase, scopes=[stories.STANDARD, stories.CRITICAL]) for _ in "123"
    ]


@pytest.fixture
def somebody(open_page):
    """A browser of their own for each person."""

    def one(person, **how):
        page = open_page(**how)
        become(page, session_of(person))
        return page

    return one


def heading(page, words):
    expect(page.get_by_role("heading", level=1)).to_have_text(words)
    look(page)


def works(token):
    release = Credential.objects.earliest("pk").grant.phase.release
    return bool(verify(token, audience=release.audience, scope=stories.STANDARD).verdict)


def type_in(page, of, words):
    page.get_by_label("Type the word").fill(typed(of)["typed_word"])
    page.get_by_label(re.compile("Type the number of")).fill(str(of.count))
    page.get_by_role("button", name=words).click()


def test_two_people_stop_a_leak_prove_it_and_give_new_keys(open_page, somebody, keys, worker):
    (first, token), (second, _), (clinic, clinic_token) = keys
    ines = somebody(staff("incident_responder", name="Ines Duarte"))
    tomas_person = StaffFactory(name="Tomas Berg")
    tomas_person.groups.add(Group.objects.get(name="incident_responder"))
    tomas = open_page(width=360, scheme="dark")
    sign_in(tomas, tomas_person)  # hours ago: asked again before anything dies
    ada = somebody(first.grant.holder, width=360)

    contain(ines, clinic)
    assert [works(token), works(clinic_token)] == [False, True]
    ada.goto(f"/access/keys/{first.kid}/")
    expect(ada.get_by_text("revoked")).to_have_count(0)

    case = Revocation.objects.get()
    ines.get_by_role("link", name=case.ref, exact=True).click()
    type_in(ines, case, "Confirm as the first of two")
    expect(ines.get_by_text("nothing is revoked yet").first).to_be_visible()
    assert set(Credential.objects.values_list("status", flat=True)) == {"active"}

    approve(tomas, case)
    dead = Credential.objects.filter(status="revoked")
    assert set(dead.values_list("pk", flat=True)) == {first.pk, second.pk}
    report(tomas, case, worker)
    answer(ada, ines, case)
    reissue(ines, tomas, case)

    ada.goto("/access/")
    ada.get_by_role("link", name="Claim this key").click()
    ada.get_by_role("button", name="Show my key").click()
    new = ada.locator("#key").inner_text()
    assert [works(new), works(token), works(clinic_token)] == [True, False, True]


def contain(page, clinic):
    """Composed by what may be done with them, counted live, one left alive; stopped at once."""
    page.goto("/admin/credentials/revocation/add/")
    page.get_by_label("Title").fill("Keys in a dump")
    page.get_by_role("listbox", name="Capability").select_option(stories.CRITICAL)
    expect(page.get_by_role("status").filter(has_text="3 live keys")).to_be_visible()
    page.get_by_label("Keys to leave alive").fill(f"{clinic.kid} runs the clinic's night service")
    page.get_by_label("Reason").select_option("Security incident")
    page.get_by_label("Note").fill("Seen for sale at 03:12.")
    page.get_by_role("button", name="Preview").click()
    heading(page, "Revoke 2 keys?")
    expect(page.get_by_text("runs the clinic's night service")).to_be_visible()
    page.get_by_role("link", name="Contain first…").click()
    page.get_by_role("button", name="Contain these keys").click()
    heading(page, "2 keys contained: refused, not revoked")
    page.goto("/admin/")
    expect(page.get_by_text("1 contained case waits for a decision.")).to_be_visible()


def approve(page, case):
    page.goto(f"/admin/credentials/revocation/{case.ref}/change/")
    page.get_by_role("link", name="Confirm that it is you").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    look(page)
    type_in(page, case, "Revoke 2 keys now")


def report(page, case, worker):
    """Told by a worker while one looks, proved at the door, and the same after a reload."""
    expect(page.get_by_role("heading", name="Telling partners")).to_be_visible()
    worker.start(beat=True)  # who rings for mails that leave one after the other
    told = page.get_by_role("progressbar")
    # The second mail's turn comes a moment after the first one's, and beat comes by every 15 s.
    expect(told).to_have_attribute("value", "2", timeout=40_000)
    heading_of_all_told = page.get_by_role(
        "heading", level=1, name="Revoked, and every partner told"
    )
    expect(heading_of_all_told).to_be_visible(timeout=45_000)
    page.reload()
    expect(told).to_have_attribute("value", "2")
    door = page.get_by_role("row").filter(has_text="Front door")
    expect(door.filter(has_text="2 of 2")).to_be_visible()
    look(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    whole = json.loads(Path(download.value.path()).read_text())
    assert (whole["case"], whole["keys"]["total"]) == (case.ref, 2)


def answer(partner, responder, case):
    """What partners read is true and blames nobody; what they write is read and replied to."""
    partner.goto(f"/access/cases/{case.ref}/")
    heading(partner, "We stopped one of your keys")
    partner.get_by_role("textbox", name="Message").fill("It was in a backup that we lost.")
    partner.get_by_role("button", name="Send message").click()
    responder.goto(f"/admin/credentials/revocation/{case.ref}/change/")
    responder.get_by_role("link", name="Read and reply (1 unread)").click()
    responder.get_by_label("Your reply").fill("Thank you. Wipe the other copies, too.")
    responder.get_by_role("button", name="Send reply").click()
    look(responder)
    partner.reload()
    expect(partner.get_by_text("Wipe the other copies, too.")).to_be_visible()


def reissue(one, other, case):
    """As the case needed two, so do the new keys."""
    one.goto(f"/admin/credentials/revocation/{case.ref}/change/")
    one.get_by_role("link", name="Re-issue…").click()
    one.get_by_label("Note").fill("The lost backup was found and wiped.")
    one.get_by_role("button", name="Preview").click()
    heading(one, "Re-issue 2 new keys?")
    new = Reissue.objects.get()
    type_in(one, new, "Confirm as the first of two")
    other.goto(f"/admin/credentials/reissue/{new.ref}/change/")
    type_in(other, new, "Re-issue 2 keys")
    expect(other.get_by_text(re.compile("slots? made|told", re.IGNORECASE)).first).to_be_visible()
    look(other)
