"""Signing up, a passkey, a second factor: by hand, in a browser, under the strict policy."""

import re

from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.urls import get_resolver
from playwright.sync_api import expect

from tests.browser.authenticator import with_authenticator
from tests.browser.watching import become, look
from tests.edges.forms.entrances import first_visit_from_an_institution
from tests.edges.test_accounts_sign_in import current_code
from tests.factories.accounts import PASSWORD, PersonFactory


def _sign_in(page, person):
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("form").get_by_role("button", name="Sign In", exact=True).click()
    expect(page.locator("summary").filter(has_text=person.name)).to_be_visible()


def _go_to_guarded(page, address):
    """What changes how one signs in asks for the password once more."""
    page.goto(address)
    expect(page.get_by_role("heading", name="Confirm Access")).to_be_visible()
    look(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Confirm Access")).not_to_be_visible()


def _sign_out(page):
    page.locator("summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()


def test_sign_up_with_a_code(open_page, mailoutbox):
    page = open_page(width=360, scheme="dark")
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill("ada@example.org")
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_label("Password").fill("short")
    page.locator("form").get_by_role("button", name="Sign Up", exact=True).click()
    expect(page.get_by_role("alert")).to_be_focused()
    look(page)
    page.get_by_role("alert").get_by_role("link").first.click()
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("form").get_by_role("button", name="Sign Up", exact=True).click()
    expect(page.get_by_label("Code")).to_be_visible()
    look(page)
    code = re.search(r"^\s*([A-Z]{3,4}-[A-Z]{3,4})\s*$", mailoutbox[0].body, re.MULTILINE)[1]
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("summary").filter(has_text="Ada Lovelace")).to_be_visible()


def test_a_passkey_is_added_and_opens_the_door(open_page):
    page = open_page(width=360, scheme="dark")
    person = PersonFactory()
    with_authenticator(page)
    _sign_in(page, person)
    _go_to_guarded(page, "/accounts/2fa/webauthn/add/")
    look(page)
    page.get_by_label("Name").fill("Laptop")
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery Codes")).to_be_visible()
    look(page)
    page.goto("/accounts/2fa/webauthn/")
    expect(page.get_by_role("cell", name=re.compile("Laptop"))).to_be_visible()
    look(page)
    _sign_out(page)
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator("summary").filter(has_text=person.name)).to_be_visible()


def test_a_passkey_that_fails_says_so(open_page):
    page = open_page(width=360, scheme="dark")
    with_authenticator(page)
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The passkey was not used")
    look(page)


def test_a_second_factor_s_pages(open_page):
    page = open_page(width=360, scheme="dark")
    _sign_in(page, PersonFactory())
    _go_to_guarded(page, "/accounts/2fa/totp/activate/")
    expect(page.locator("img.qr")).to_be_visible()
    look(page)


def test_a_second_factor_at_the_door_and_inside(open_page):
    page = open_page(width=360, scheme="dark")
    person = PersonFactory()
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("form").get_by_role("button", name="Sign In", exact=True).click()
    expect(page).to_have_url(re.compile("/accounts/2fa/authenticate/"))
    look(page)
    page.get_by_label("Code").fill(current_code(secret))
    page.get_by_role("main").get_by_role("button", name="Sign In", exact=True).click()
    expect(page.locator("summary").filter(has_text=person.name)).to_be_visible()
    page.goto("/accounts/2fa/reauthenticate/")
    expect(page.get_by_role("heading", name="Confirm Access")).to_be_visible()
    expect(page.get_by_label("Code")).to_be_visible()
    look(page)


def test_a_passkey_asked_for_once_more(open_page):
    page = open_page(width=360, scheme="dark")
    with_authenticator(page)
    _sign_in(page, PersonFactory())
    _go_to_guarded(page, "/accounts/2fa/webauthn/add/")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="Recovery Codes")).to_be_visible()
    page.goto("/accounts/2fa/webauthn/reauthenticate/")
    expect(page.get_by_role("heading", name="Confirm Access")).to_be_visible()
    look(page)


def test_a_forgotten_password(open_page, mailoutbox):
    page = open_page(width=360, scheme="dark")
    person = PersonFactory()
    page.goto("/accounts/password/reset/")
    page.get_by_label("Email").fill(person.email)
    page.get_by_role("main").get_by_role("button").first.click()
    expect(page).to_have_url(re.compile("/accounts/password/reset/done/"))
    link = re.search(r"http://\S+?(/accounts/password/reset/key/\S+)", mailoutbox[-1].body)[1]
    page.goto(link)
    expect(page.get_by_label("New Password", exact=True)).to_be_visible()
    look(page)
    page.goto("/accounts/password/reset/key/1-nonsense/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    look(page)


def test_the_first_visit_from_an_institution(open_page, monkeypatch):
    """Somebody whose institution told no address."""
    get_resolver().url_patterns  # noqa: B018 - made once, and for good: without its routes
    monkeypatch.setitem(registry.provider_map, OpenIDConnectProvider.id, OpenIDConnectProvider)
    form = first_visit_from_an_institution()
    page = open_page(width=360, scheme="dark")
    become(page, form.client)
    page.goto(form.address)
    expect(page.get_by_label("Email")).to_be_visible()
    look(page)
