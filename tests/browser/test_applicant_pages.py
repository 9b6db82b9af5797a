"""What applicants and holders see, in a real browser: every page, and what script adds."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Error, expect

from portal.credentials.services import issue_credential
from portal.programs.models import Question
from tests.browser.watching import look, sign_in
from tests.factories import stories
from tests.factories.accounts import PASSWORD, PersonFactory, UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.programs import ask_every_kind


def of(name, application, *more):
    return reverse(f"applications:{name}", args=[application.ref, *more])


def begun(person):
    """A draft in a phase that asks every kind of question on its second page."""
    phase = stories.open_phase(
        name="Trusted researchers", audience="People who defend systems others depend on."
    )
    ask_every_kind(phase)
    return stories.draft(phase=phase, by=person)


# --- What script adds -------------------------------------------------------------------------


@pytest.fixture
def draft(page):
    person = UserFactory()
    sign_in(page, person)
    return begun(person)


def box(page):
    return page.get_by_label("Prompt of short_text?")


def test_it_saves_as_one_types_and_says_when(page, draft):
    page.goto(of("section", draft, 2))
    box(page).press_sequentially("Half a tho")
    expect(page.locator("[data-autosave-status]")).to_have_text(re.compile(r"Saved \d+ s ago"))
    assert stories.again(draft).answers["short_text"] == "Half a tho"
    box(page).press_sequentially("ught")
    expect(page.locator("[data-autosave-status]")).to_have_text(re.compile(r"Saved \d+ s ago"))
    assert stories.again(draft).answers["short_text"] == "Half a thought"
    page.reload()
    expect(box(page)).to_have_value("Half a thought")


def test_the_button_never_overtakes_a_save_under_way(page, draft):
    page.goto(of("section", draft, 1))
    box = page.get_by_label("What for?")
    page.route("**/section/1/", lambda route: (page.wait_for_timeout(700), route.continue_()))
    box.fill("Something else.")
    with page.expect_request(lambda request: "hx-request" in request.headers):
        box.blur()
    page.get_by_role("button", name="Save and leave").click()
    page.wait_for_url(f"**{of('detail', draft)}")
    assert stories.again(draft).answers["purpose"] == "Something else."


def test_a_question_comes_and_goes_with_the_answer_it_depends_on(page, draft):
    page.goto(of("section", draft, 2))
    detail = page.get_by_label("Prompt of detail?")
    expect(detail).to_have_count(0)
    page.get_by_label("Yes", exact=True).check()
    expect(detail).to_be_visible()
    detail.fill("Because.")
    page.get_by_label("No", exact=True).check()
    expect(detail).to_have_count(0)
    page.get_by_label("Yes", exact=True).check()
    expect(detail).to_have_value("Because.")


def test_a_stale_tab_is_told_and_loses_nothing(chromium, live_server, page, draft):
    # Not watched: here a refusal is what is looked for.
    context = chromium.new_context(base_url=live_server.url)
    context.add_cookies(page.context.cookies())
    late = context.new_page()
    late.goto(of("section", draft, 2))
    page.goto(of("section", draft, 2))
    box(page).fill("first tab")
    expect(page.locator("[data-autosave-status]")).to_contain_text("Saved")
    box(late).fill("second tab")
    expect(late.locator("[data-autosave-status]")).to_contain_text("changed in another tab")
    late.get_by_role("button", name="Save and leave").click()
    expect(late.get_by_role("alert")).to_contain_text("Not saved")
    expect(box(late)).to_have_value("second tab")
    expect(late.get_by_text("first tab")).to_be_visible()
    late.get_by_role("button", name="Save and leave").click()
    late.wait_for_url(f"**{of('detail', draft)}")
    assert stories.again(draft).answers["short_text"] == "second tab"
    context.close()


def test_the_whole_form_works_without_script(open_page):
    page = open_page(javascript=False)
    person = UserFactory()
    sign_in(page, person)
    phase = stories.open_phase()
    Question.objects.filter(phase=phase).update(required=False)
    page.goto(f"/apply/?phase={phase.ref}")
    page.get_by_role("button", name="Start application").click()
    page.get_by_role("link", name="Use", exact=True).click()
    page.get_by_label("What for?").fill("Triage of alerts.")
    page.get_by_role("button", name="Save and continue").click()
    page.locator("input[value='model:infer']").check()
    page.get_by_role("button", name="Save and continue").click()
    page.get_by_label("Your full name").fill("A. Person")
    page.get_by_role("button", name="Sign", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your answers")
    page.get_by_role("button", name="Submit application").click()
    expect(page.get_by_role("heading", name="We have it")).to_be_visible()


# --- Keys -------------------------------------------------------------------------------------


def test_a_key_becomes_ready_while_one_looks_and_is_claimed_once(page):
    person = PersonFactory()
    sign_in(page, person)
    grant = stories.opened(by=person)
    page.goto("/access/")
    expect(page.get_by_text("Your key is being prepared")).to_be_visible()
    issue_credential(grant_id=grant.pk, by=stories.WORKER)
    page.get_by_role("link", name="Claim this key").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("A name for this key").fill("Build server")
    look(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Show my key").click()
    expect(page.locator("#key")).to_be_visible()
    look(page)
    token = page.locator("#key").inner_text()
    page.get_by_role("button", name="Copy key").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token
    page.get_by_role("link", name="I have stored it").click()
    expect(page.get_by_text("Would be allowed now")).to_be_visible()
    # Back would have to send the form again, and the browser keeps no copy of its answer.
    with pytest.raises(Error, match="ERR_CACHE_MISS"):
        page.go_back()
    expect(page.locator("body")).not_to_contain_text(token)


def test_a_key_is_rotated_and_one_to_test_is_made(page):
    person = PersonFactory()
    sign_in(page, person)
    scopes = [stories.STANDARD, stories.ELEVATED]
    key, _token = make_live_key(grant__holder=person, grant__scopes=scopes, name="Build server")
    page.goto("/access/")
    page.get_by_role("link", name=f"Rotate key {key.kid}").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    look(page)
    page.get_by_label(stories.ELEVATED).uncheck()
    page.get_by_label("3 days").check()
    page.get_by_role("button", name="Show my new key").click()
    expect(page.get_by_text("goes on until 3 days after this one is first used")).to_be_visible()
    look(page)
    page.get_by_role("link", name="I have stored it").click()
    expect(page.get_by_text("This one ends 3 days after its first use.")).to_be_visible()
    look(page)
    page.get_by_role("link", name="Make a test key").click()
    look(page)
    page.get_by_role("button", name="Show my test key").click()
    expect(page.locator("#key")).to_contain_text("tpk_test_")
    look(page)
