"""Registering, looking at, replacing the secret of and disabling a gateway."""

import re

from playwright.sync_api import expect

from portal.gateway.authentication import authenticate
from portal.gateway.models import Gateway
from tests.browser.watching import look, sign_in
from tests.factories.accounts import UserFactory
from tests.factories.gateway import basic
from tests.factories.programs import ModelReleaseFactory


def test_the_life_of_a_gateway(open_page):
    page = open_page(width=1280, scheme="dark")
    staff = UserFactory(
        is_staff=True, permissions=["gateway.manage_gateways", "gateway.view_gateway"]
    )
    sign_in(page, staff)
    ModelReleaseFactory(name="Halcyon")

    def see(heading):
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        look(page)

    page.goto("/admin/gateway/gateway/add/")
    see("Register a gateway")
    page.get_by_role("button", name="Register and show the secret").click()
    expect(page.get_by_text("This field is required.").first).to_be_visible()
    see("Register a gateway")
    page.get_by_label("Name").fill("Edge proxy, Frankfurt")
    page.get_by_label("Release").select_option("Halcyon")
    page.get_by_role("button", name="Register and show the secret").click()
    see("Gateway registered")
    secret = page.get_by_text(re.compile("^tpg_")).inner_text()
    assert authenticate(basic(Gateway.objects.get().client_id, secret))

    page.get_by_role("link", name="Done").click()
    see("Gateway Edge proxy, Frankfurt")
    page.get_by_role("link", name="Replace secret").click()
    see("Replace the secret of Edge proxy, Frankfurt?")
    page.get_by_role("button", name="Replace the secret and show it").click()
    see("New secret")
    assert page.get_by_text(re.compile("^tpg_")).inner_text() != secret

    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name="Disable").click()
    see("Disable Edge proxy, Frankfurt?")
    page.get_by_role("button", name="Disable this gateway").click()
    see("Gateway Edge proxy, Frankfurt")
    page.goto("/admin/gateway/gateway/")
    see("Gateways")
    assert Gateway.objects.get().disabled_by == staff
