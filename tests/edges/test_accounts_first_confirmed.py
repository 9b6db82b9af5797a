"""An account that somebody else began under an address is its owner's alone, once the owner has
proved the address.
"""

import re
import time

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from tests.edges.test_accounts_sign_in import CODE, LOGIN, mailed_code
from tests.factories.accounts import PASSWORD, UserFactory
from tests.log import events_about

pytestmark = pytest.mark.django_db
ADDRESS = "ada@example.org"


@pytest.fixture
def begun_by_a_stranger():
    """Signed up with an institution that tells no address, and Ada's typed in; never confirmed."""
    user = UserFactory(email=ADDRESS)
    EmailAddress.objects.create(user=user, email=ADDRESS, primary=True, verified=False)
    SocialAccount.objects.create(user=user, provider="uni", uid="stranger-1")
    return user


def reset_and_sign_in(mailoutbox, came_with=()):
    """As Ada does, who is told that she has an account already."""
    client = Client()
    client.post("/accounts/password/reset/", {"email": ADDRESS})
    link = re.search(r"https?://[^/]+(/accounts/password/reset/key/\S+)", mailoutbox[-1].body)[1]
    form = client.get(link).url
    assert client.post(form, {"password1": PASSWORD, "password2": PASSWORD}).status_code == 302
    assert client.post(LOGIN, {"login": ADDRESS, "password": PASSWORD}).url == CODE
    session = client.session
    session["account_authentication_methods"] += [
        {"method": "socialaccount", "at": time.time(), "provider": "uni", "uid": uid}
        for uid in came_with
    ]
    session.save()
    assert client.post(CODE, {"code": mailed_code(mailoutbox[-1])}).status_code == 302
    return client


def test_a_strangers_institution_no_longer_opens_the_account(begun_by_a_stranger, mailoutbox):
    client = reset_and_sign_in(mailoutbox)
    assert client.session["_auth_user_id"] == str(begun_by_a_stranger.pk)
    assert not SocialAccount.objects.exists()
    said = [event.payload.get("what") for event in events_about(begun_by_a_stranger.ref)]
    assert sorted(said) == ["account_disconnected", "email_confirmed", "password_reset"]


def test_another_address_confirmed_later_disconnects_nothing(begun_by_a_stranger, mailoutbox):
    client = reset_and_sign_in(mailoutbox)
    SocialAccount.objects.create(user=begun_by_a_stranger, provider="uni", uid="ada-1")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", {"email": "ada@home.example", "action_add": ""})
    client.post(CODE, {"code": mailed_code(mailoutbox[-1])})
    assert EmailAddress.objects.filter(verified=True).count() == 2
    assert SocialAccount.objects.get().uid == "ada-1"


def test_the_institution_somebody_came_with_stays(begun_by_a_stranger, mailoutbox):
    reset_and_sign_in(mailoutbox, came_with=["stranger-1"])
    assert SocialAccount.objects.get().uid == "stranger-1"
