"""Every page that belongs to no app: how it looks, reads and fits."""

import pytest
from django.urls import reverse

from tests.browser.watching import (
    Watch,
    assert_accessible,
    assert_fits,
    look_every_way,
    sign_in,
)
from tests.factories.accounts import UserFactory

SIGNED_OUT = ["account_login", "account_signup", "account_reset_password", "account_inactive"]
SIGNED_IN = [
    "account_email",
    "account_change_password",
    "account_set_password",
    "account_logout",
    "account_reauthenticate",
    "mfa_index",
    "usersessions_list",
    "socialaccount_connections",
]
STAFF = [
    "admin:index",
    "admin:accounts_user_changelist",
    "admin:programs_modelrelease_changelist",
    "admin:programs_modelrelease_add",
    "admin:programs_rolloutphase_add",
]


def test_gallery(page):
    page.goto("/gallery/")
    look_every_way(page)


@pytest.mark.parametrize("name", SIGNED_OUT)
def test_signed_out(page, name):
    page.goto(reverse(name))
    look_every_way(page)


@pytest.mark.parametrize("name", SIGNED_IN)
def test_signed_in(page, name):
    sign_in(page, UserFactory())
    page.goto(reverse(name))
    look_every_way(page)


@pytest.mark.parametrize("name", STAFF)
def test_admin(page, name):
    sign_in(page, UserFactory(is_staff=True, is_superuser=True))
    page.goto(reverse(name))
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
