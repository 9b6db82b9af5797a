"""A case on paper, as somebody takes it to a meeting: its figures, and nothing to press."""

from playwright.sync_api import expect

from portal.credentials.services import prove_revocation
from tests.browser.watching import sign_in
from tests.factories.cases import finished_case
from tests.factories.credentials import make_live_key
from tests.factories.gateway import make_gateway
from tests.factories.reviews import staff

# What leads elsewhere or does something: on paper it would only be in the way.
ON_SCREEN = (".site-header", "#nav-sidebar", "div.breadcrumbs", "#content .button")


def test_a_case_is_printed_with_its_figures_and_doors_and_without_navigation(page):
    key, _token = make_live_key()
    make_gateway(key.grant.phase.release, name="Edge in Oslo")
    responder = staff("incident_responder")
    case = finished_case(responder, key)
    prove_revocation(revocation_id=case.pk, by=responder)
    sign_in(page, responder)
    page.goto(f"/admin/credentials/revocation/{case.ref}/change/")
    for each in ON_SCREEN:
        expect(page.locator(each).first).to_be_visible()

    page.emulate_media(media="print")
    for each in ON_SCREEN:
        assert page.locator(each).filter(visible=True).count() == 0, each
    page.set_viewport_size({"width": 718, "height": 1000})  # an A4 page within its margins
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text(case.ref).filter(visible=True).first).to_be_visible()
    figures = page.get_by_role("list", name="In numbers").get_by_role("listitem")
    expect(figures.first).to_be_visible()
    assert figures.filter(visible=True).count() == figures.count() > 1
    door = page.get_by_role("row").filter(has_text="Edge in Oslo")
    expect(door.filter(has_text="1 of 1")).to_be_visible()
    # Paper cannot be scrolled, so what is cut off there is lost.
    frame = page.get_by_role("region", name="What each door answered")
    assert frame.evaluate("(it) => it.scrollWidth <= it.clientWidth")
