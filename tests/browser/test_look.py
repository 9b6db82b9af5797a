"""The gallery every way it can be looked at, what refusals look like, and the looking itself."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.watching import (
    Watch,
    assert_accessible,
    assert_fits,
    keep_axe,
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
    keep_axe(page)
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


# Nothing but twelve rows that are alike; one in the middle may then be spoilt.
TABLE = """(spoil) => {
  const main = document.querySelector("main");
  main.innerHTML = "<h1>Rows</h1><table><tbody></tbody></table>";
  const rows = [...Array(12).keys()].map((number) => {
    const row = main.querySelector("tbody").insertRow();
    row.innerHTML = `<td><a href="/${number}/">Row ${number}</a></td><td>${number + 10}</td>
      <td><input type="checkbox" aria-label="Tick ${number}"></td>`;
    return row;
  });
  eval(`([link, number, box, rows]) => {${spoil}}`)(
    [...["a", "td + td", "input"].map((each) => rows[6].querySelector(each)), rows]);
}"""
FAULTS = {
    "link.textContent = ' '": "link-name",
    "number.innerHTML = '<ul><b>12</b></ul>'": "list",
    "box.ariaLabel = ''": "label",
    "box.setAttribute('aria-valuenow', '1')": "aria-allowed-attr",
    # Axe leaves open whether one letter is too pale, and that is all that the other rows have.
    "rows.forEach((row) => { row.cells[1].style.color = '#eee'; row.cells[1].textContent = 1 });"
    "number.textContent = 12": "color-contrast",
    # For all that come after it, so it comes last.
    "document.styleSheets[0].insertRule('tr:nth-child(7) td { color: #eee !important }')": (
        "color-contrast"
    ),
}


def test_what_is_wrong_with_one_row_of_many_is_found(open_page):
    page = open_page(width=360)
    page.goto("/gallery/")
    page.evaluate(TABLE, "")
    assert_accessible(page)
    for spoil, rule in FAULTS.items():
        page.evaluate(TABLE, spoil)
        with pytest.raises(AssertionError, match=rule):
            assert_accessible(page)


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
