"""The whole story by hand, in a browser, with everything else as a process of its own.

Sign up, apply, two reviewers, claim, the pasted line, revoked in bulk, refused: nothing here calls
a service, and nothing is done that has no button.
"""

import re

import pytest
from django.contrib.auth.models import Group
from playwright.sync_api import expect

from portal.credentials.models import Revocation
from portal.credentials.services import word_of
from tests.browser.conftest import PATIENCE
from tests.browser.watching import Watch
from tests.factories import stories
from tests.factories.accounts import PASSWORD, StaffFactory
from tests.journeys import whole_story as story

DESK = "/admin/applications/application/"


@pytest.fixture
def portal(worker):
    worker.start(beat=True)
    with story.a_portal() as portal:
        yield portal


@pytest.fixture
def visit(chromium, portal):
    """Somebody's own browser, at the portal; afterwards no page may have complained."""
    watch, contexts = Watch(portal.address), []

    def one():
        contexts.append(chromium.new_context(base_url=portal.address, locale="en-GB"))
        contexts[-1].set_default_timeout(PATIENCE)
        watch.over(contexts[-1])
        return contexts[-1].new_page()

    yield one
    for context in contexts:
        context.close()
    assert watch.complaints == []


@pytest.fixture
def staff(visit):
    def one(role):
        person = StaffFactory()
        person.groups.add(Group.objects.get(name=role))
        page = visit()
        page.goto("/admin/")
        page.get_by_label("Email").fill(person.email)
        page.get_by_label("Password").fill(PASSWORD)
        page.locator("form").get_by_role("button", name="Sign In", exact=True).click()
        page.wait_for_url("**/admin/")
        return page

    return one


def test_from_a_stranger_to_a_refused_key(portal, visit, staff):
    ada = visit()
    sign_up(ada)
    apply(ada, portal.phase)
    rosa, ruben = staff("reviewer"), staff("reviewer")
    recommend(rosa, take=True)
    recommend(ruben)
    approve(ruben)
    curl = claim(ada)
    assert story.run_curl(curl)[0] == 200

    revoke_all_of(story.ADA, staff("incident_responder"))
    assert story.run_curl(curl)[0] == 401
    ada.goto("/access/")
    expect(ada.get_by_text("Revoked").first).to_be_visible()
    assert "revoked" in story.mailed("revoked").subject


def sign_up(page):
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill(story.ADA)
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("form").get_by_role("button", name="Sign Up", exact=True).click()
    page.get_by_label("Code").fill(story.code_from_mail())
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("summary").filter(has_text="Ada Lovelace")).to_be_visible()


def apply(page, phase):
    page.goto(f"/apply/?phase={phase.ref}")
    page.get_by_role("button", name="Start application").click()
    page.get_by_role("link", name="Use", exact=True).click()
    page.get_by_label("What for?").fill("Triage of alerts.")
    page.get_by_role("button", name="Save and continue").click()
    for scope in (stories.STANDARD, stories.ELEVATED):
        page.locator(f"input[value='{scope}']").check()
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_label("Your full name").fill("Ada Lovelace")
    page.get_by_role("button", name="Sign", exact=True).click()
    page.get_by_role("button", name="Submit application").click()
    expect(page.get_by_role("heading", name="We have it")).to_be_visible()


def recommend(page, *, take=False):
    page.goto(DESK)
    page.get_by_role("link", name=re.compile("^APP-")).click()
    if take:
        page.get_by_role("link", name="Take into review").click()
        page.get_by_role("button", name="Take").click()
    page.get_by_role("link", name="Record review").click()
    page.get_by_role("group", name="What do you recommend?").get_by_label("Approve").check()
    for score in ("Need for access", "Safeguards", "Track record"):
        page.get_by_role("group", name=score).get_by_label("4", exact=True).check()
    page.get_by_label("Why").fill("Sound.")
    page.get_by_role("button", name="Record my review").click()
    expect(page.get_by_role("link", name="Record review")).to_have_count(0)


def approve(page):
    page.get_by_role("link", name="Approve").click()
    expect(page.get_by_text("2 of 2 needed")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text(re.compile("is approved.$"))).to_be_visible()


def claim(page):
    """Wait for the worker on the page, as one does; returns the line to paste."""
    page.goto("/access/")
    page.get_by_role("link", name="Claim this key").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("A name for this key").fill("Laboratory machine")
    page.get_by_role("button", name="Show my key").click()
    return page.locator("#curl").inner_text()


def revoke_all_of(person, page):
    page.goto("/admin/credentials/revocation/add/")
    page.get_by_label("Title").fill("A key leaked")
    page.get_by_role("textbox", name="Person").fill(person)
    page.get_by_label("Reason").select_option("Security incident")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("link", name="Confirm that it is you").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Type the word").fill(word_of(Revocation.objects.get().digest))
    page.get_by_label("Type the number of keys").fill("1")
    page.get_by_role("button", name="Revoke 1 key now").click()
    told = "Revoked, and every partner told"  # when the last mail has left
    expect(page.get_by_role("heading", level=1)).to_have_text(told, timeout=45_000)
