"""The gallery every way it can be looked at, what refusals look like, and the looking itself."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.watching import (
    Watch,
    assert_accessible,
    assert_fits,
    look,
    look_every_way,
    sign_in,
)
from tests.factories import stories
from tests.factories.accounts import UserFactory


def test_gallery(page):
    page.goto("/gallery/")
    look_every_way(page)


@pytest.mark.parametrize("name", ["Ada Lindqvist", "Margaret Hollingsworth-Cunningham"])
def test_a_name_stands_beside_the_brand_however_long_it_is(open_page, name):
    page = open_page(width=360)
    sign_in(page, UserFactory(name=name))
    page.goto("/")
    look(page)
    brand = page.get_by_role("link", name="Trusted Access").first.bounding_box()
    menu = page.locator(".site-account summary").bounding_box()
    assert menu["y"] < brand["y"] + brand["height"]
    assert menu["x"] >= brand["x"] + brand["width"]


# Asked for in earnest, as far as one can ask for them; the others as their handlers draw them.
REFUSALS = ["400", "403", "405", "413", "429", "500", "csrf", "refused", "nowhere"]


@pytest.mark.urls("tests.edges.test_error_pages")
def test_refusals(chromium, live_server):
    # Not watched: that the server fails is what is looked for.
    context = chromium.new_context(base_url=live_server.url, viewport={"width": 360, "height": 900})
    page = context.new_page()
    for address in REFUSALS:
        page.goto(f"/{address}/")
        expect(page.locator(".refusal h1")).to_be_visible()
        look(page)
    context.close()


def test_a_text_that_was_sent_signed_out(open_page):
    page = open_page(width=360)
    person = UserFactory()
    application = stories.submitted(by=person)
    sign_in(page, person)
    page.goto(f"/applications/{application.ref}/")
    page.get_by_label("Your message").fill("Two more machines will use it. " * 9)
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Send message").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    expect(page.get_by_label("What you wrote")).to_have_value(re.compile("^Two more machines"))
    look(page)
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    sign_in(page, person)
    page.goto(page.url)
    expect(page.get_by_role("heading", name="Messages")).to_be_visible()


def test_staff_without_a_second_factor_are_told(page, settings):
    settings.STAFF_MFA_REQUIRED = True
    sign_in(page, UserFactory(is_staff=True, is_superuser=True))
    page.goto("/admin/login/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    look_every_way(page)


def test_what_is_wrong_is_found(open_page):
    """The watch, axe and the ruler each see what is planted for them."""
    page = open_page(width=360)
    page.goto("/gallery/")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    with pytest.raises(AssertionError, match="button-name"):
        assert_accessible(page)
    page.evaluate("document.querySelector('main > button').style.width = '900px'")
    with pytest.raises(AssertionError, match="gallery"):
        assert_fits(page)


def test_the_watch_hears_complaints(chromium, live_server):
    watch, context = Watch(live_server.url), chromium.new_context(base_url=live_server.url)
    watch.over(context)
    page = context.new_page()
    page.goto("/gallery/")
    assert watch.complaints == []
    page.evaluate("document.body.innerHTML += '<p style=\"color: red\">x</p>'")
    page.evaluate("console.error('planted')")
    page.evaluate("fetch('/nowhere/').then(() => 1)")
    context.close()
    assert [complaint.split(":")[0] for complaint in watch.complaints] == [
        "console",
        "console",
        "404",
    ]
