"""Two responders freeze a partner and lift it again, in a real browser, in both looks."""

import re

import pytest
from playwright.sync_api import expect

from portal.credentials.models import Freeze
from tests.browser.watching import become, look, look_each_way, session_of
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.freezes import place, responder


@pytest.fixture
def key():
    partner = OrganizationFactory(name="University of the North Sea")
    return make_live_key(grant__application__organization=partner)[0]


def see(page, heading, *ways):
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    look_each_way(page, *ways)


@pytest.mark.parametrize(("width", "javascript"), [(360, True), (1280, False)])
def test_from_the_button_to_the_lift(open_page, key, width, javascript):
    page = open_page(width=width, scheme="dark", javascript=javascript)
    ways = [(1280, "light"), (360, "dark")] if javascript else []  # axe is script

    one, two = (session_of(responder(name=name)) for name in ("Ines Duarte", "Tomas Berg"))
    become(page, one)
    page.goto(f"/admin/accounts/organization/{key.grant.organization.ref}/change/")
    page.get_by_role("link", name="Freeze…").click()
    see(page, "Freeze access", *ways)
    expect(page.get_by_role("list", name="What it stops")).to_contain_text("1 active key")
    page.get_by_role("button", name="Freeze now").click()
    told = "Reason: Nothing was frozen yet. Say why."
    expect(page.get_by_role("link", name=told)).to_be_visible()
    page.get_by_label("Reason").fill("Keys seen in a dump at 03:12.")
    page.get_by_role("button", name="Freeze now").click()
    see(page, "Organisation: University of the North Sea", *ways)
    page.get_by_role("link", name="Ask to lift…").click()
    see(page, f"Ask to lift {Freeze.objects.get().ref}?", *ways)
    page.get_by_role("button", name="Ask to lift").click()
    expect(page.get_by_text("You asked to lift it, so a colleague must do it.")).to_be_visible()

    become(page, two)
    page.goto("/admin/")
    banner = page.get_by_role("region", name="Freezes in force")
    expect(banner).to_contain_text("1 freeze in force.")
    banner.get_by_role("link").click()
    page.get_by_role("link", name="Keep frozen…").click()
    see(page, f"Keep {Freeze.objects.get().ref} in force?", *ways)
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Lift…", exact=True).click()
    see(page, f"Lift {Freeze.objects.get().ref}?", *ways)
    page.get_by_role("button", name="Lift this freeze").click()
    see(page, "Organisation: University of the North Sea", *ways)
    expect(banner).to_have_count(0)
    assert Freeze.objects.get().lifted_at


def test_choosing_and_the_list(page, key):
    ways = [(1280, "dark"), (360, "light")]
    place("person", key.grant.holder.ref)
    for level, ref in (("phase", key.grant.phase.ref), ("everything", "")):
        place(level, ref, reason="Weights seen for sale; until we know more. " * 3)
    place("person", UserFactory(name="Ada " + "Lindqvist" * 6).ref)
    become(page, session_of(responder()))
    page.goto("/admin/credentials/freeze/")
    see(page, "Freezes", *ways)
    page.get_by_role("link", name="Freeze access…").click()
    see(page, "Freeze access", *ways)
    page.get_by_role("radio", name="Everything").check()
    expect(page.get_by_label("Which one")).to_be_hidden()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="It is frozen already")).to_be_visible()
    look_each_way(page, *ways)
    page.go_back()
    page.get_by_role("radio", name="Person").check()
    page.get_by_label("Which one").fill("nobody at all")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("link", name=re.compile("Nothing like this is known"))).to_be_visible()
    look_each_way(page, *ways)
    page.get_by_label("Which one").fill("a")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Which of these?")).to_be_visible()
    look_each_way(page, *ways)


def test_the_partner_s_page(open_page, key):
    place("organization", key.grant.organization.ref)
    page = open_page(width=360)
    become(page, session_of(key.grant.holder))
    page.goto("/access/")
    told = page.get_by_text("Nothing is asked of you, and nothing about your access was changed")
    expect(told).to_be_visible()
    look(page)


def test_what_to_freeze_stands_below_what_is_wrong_with_it(open_page):
    page = open_page(width=1280)
    become(page, session_of(responder()))
    page.goto("/admin/credentials/freeze/add/")
    choices = page.locator("#id_level")
    before = choices.bounding_box()
    page.get_by_role("button", name="Go on").click()
    look(page)
    wrong = page.get_by_text("Say what to freeze.", exact=True).bounding_box()
    after = choices.bounding_box()
    assert after["x"] == wrong["x"]
    assert after["y"] >= wrong["y"] + wrong["height"]
    assert after["width"] > before["width"] - 30  # less only by the mark beside it
