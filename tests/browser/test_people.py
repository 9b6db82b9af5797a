"""Organisations, invitations, the demo's mailbox and the staff's buttons, as pictures; and a
passkey, which only a real browser has.
"""

import re

from django.core import mail as outbox
from django.urls import reverse

from tests.browser.watching import look_every_way, sign_in
from tests.factories.accounts import (
    InvitationFactory,
    MembershipFactory,
    UserFactory,
)


def test_organizations(page):
    place = MembershipFactory(user__name="Ada Lovelace", organization__name="Institute of Things")
    colleague = MembershipFactory(organization=place.organization, role="technical_contact")
    InvitationFactory(organization=place.organization, invited_by=place.user)
    mine = InvitationFactory(email=place.user.email)
    sign_in(page, place.user)
    for name, *args in (
        ("organizations",),
        ("organization", place.organization.ref),
        ("remove_member", place.organization.ref, colleague.user.ref),
        ("invitation", mine.ref),
        ("profile",),
        ("sign_in_again",),
    ):
        page.goto(reverse(f"accounts:{name}", args=args))
        look_every_way(page)
    page.goto(reverse("demo:mail"))
    look_every_way(page)


def test_buttons_of_staff(page):
    person = MembershipFactory().user
    sign_in(page, UserFactory(is_staff=True, is_superuser=True))
    for verb in ("change", "suspend", "set_staff_roles", "record_verification"):
        page.goto(reverse(f"admin:accounts_user_{verb}", args=[person.ref]))
        look_every_way(page)


def with_authenticator(page):
    """A passkey device inside the browser, which knows who holds it."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_signing_up_and_in_with_a_passkey(page, live_server):
    with_authenticator(page)
    start = live_server.url.replace("127.0.0.1", "localhost")  # a passkey needs a name
    page.goto(start + reverse("account_signup_by_passkey"))
    page.get_by_label("Email").fill("ada@example.org")
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_role("button", name=re.compile("Sign up", re.IGNORECASE)).click()
    page.get_by_label("Code").wait_for()
    code = re.search(r"^([A-Z]{3,4}-[A-Z]{3,4})$", outbox.outbox[0].body, re.MULTILINE)[1]
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Create").click()
    page.locator("summary", has_text="Ada Lovelace").wait_for()

    page.goto(start + reverse("account_logout"))
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.goto(start + reverse("account_login"))
    page.get_by_role("button", name=re.compile("passkey", re.IGNORECASE)).click()
    page.locator("summary", has_text="Ada Lovelace").wait_for()
