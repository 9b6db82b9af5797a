"""A form beneath cards stands where they stand, and is as wide as one of them."""

import pytest

from tests.browser.watching import become, look, session_of
from tests.factories.accounts import MembershipFactory
from tests.factories.webhooks import EndpointFactory


@pytest.mark.parametrize("width", [1280, 360])
def test_a_form_beneath_cards_is_one_of_them(open_page, width):
    owner = MembershipFactory(role="owner")
    EndpointFactory(organization=owner.organization)
    page = open_page(width=width)
    become(page, session_of(owner.user))
    organization = f"/accounts/organizations/{owner.organization.ref}/"
    for address in ("/accounts/organizations/", organization, f"{organization}webhooks/"):
        page.goto(address)
        look(page)
        card = page.locator("ul.cards > li").first.bounding_box()
        form = page.locator("main section.panel:has(form)").last.bounding_box()
        assert (form["x"], form["width"]) == (card["x"], card["width"]), address
        assert form["y"] > card["y"] + card["height"]
