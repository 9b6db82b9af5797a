"""A passkey, which only a real browser has."""

import re

from django.core import mail as outbox
from django.urls import reverse

from tests.browser.authenticator import with_authenticator
from tests.browser.watching import look


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
    page.get_by_role("button", name="Create").wait_for()
    look(page)
    page.get_by_role("button", name="Create").click()
    page.locator("summary", has_text="Ada Lovelace").wait_for()

    page.goto(start + reverse("account_logout"))
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.goto(start + reverse("account_login"))
    page.get_by_role("button", name=re.compile("passkey", re.IGNORECASE)).click()
    page.locator("summary", has_text="Ada Lovelace").wait_for()
