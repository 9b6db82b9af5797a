"""A form beneath cards stands where they stand, and is as wide as one of them."""

from tests.browser.watching import become, look_each_way, session_of
from tests.factories.accounts import MembershipFactory
from tests.factories.webhooks import EndpointFactory


def test_a_form_beneath_cards_is_one_of_them(open_page):
    owner = MembershipFactory(role="owner")
    EndpointFactory(organization=owner.organization)
    page = open_page()
    become(page, session_of(owner.user))
    organization = f"/accounts/organizations/{owner.organization.ref}/"
    for address in ("/accounts/organizations/", organization, f"{organization}webhooks/"):
        page.goto(address)
        for width in (1280, 360):
            look_each_way(page, (width, "light"))
            card = page.locator("ul.cards > li").first.bounding_box()
            form = page.locator("main section.panel:has(form)").last.bounding_box()
            assert (form["x"], form["width"]) == (card["x"], card["width"]), (address, width)
            assert form["y"] > card["y"] + card["height"]
