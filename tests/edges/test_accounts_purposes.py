"""Whoever is asked to prove who they are reads for what, in our words and never the request's."""

import pytest
from allauth.mfa.models import Authenticator
from django.urls import get_resolver

from accounts.purposes import PURPOSES
from tests.edges.cases import CASES
from tests.edges.test_accounts_sign_in import words
from tests.factories.accounts import PersonFactory, UserFactory, sign_in
from tests.factories.passkeys import Passkey
from tests.factories.reviews import staff

pytestmark = pytest.mark.django_db
ASK = "/accounts/reauthenticate/"
CASE = "Next: a case of revocation. Only somebody who has just proved who they are can confirm"


def names(resolver, space=""):
    for each in resolver.url_patterns:
        if hasattr(each, "url_patterns"):
            yield from names(each, f"{space}{each.namespace}:" if each.namespace else space)
        elif each.name:
            yield f"{space}{each.name}"


def test_every_sentence_is_about_a_page_that_is_there():
    assert set(PURPOSES) <= set(names(get_resolver()))


@pytest.fixture
def asked(client):
    person = staff("incident_responder")
    client.force_login(person)

    def ask(following, at=ASK):
        return words(client.get(at, {"next": following} if following else {}))

    return ask


@pytest.mark.parametrize(
    ("following", "told"),
    [
        (f"{CASES}CASE-AAAAAAAA/change/", CASE),
        (f"http://testserver{CASES}CASE-AAAAAAAA/change/?page=2#keys", CASE),
        (
            "/access/keys/AAAAAAAAAAAAAAAA/claim/",
            "Next: claiming a key. It is shown once, and only",
        ),
        ("/accounts/2fa/totp/activate/", "Next: how you sign in here."),
        ("/admin/", "Next: the pages of staff."),
    ],
)
def test_it_is_said_what_comes_next(asked, following, told):
    assert told in asked(following)


@pytest.mark.parametrize(
    "following",
    ["", "/", "/nowhere/", "//evil.example/access/", f"https://evil.example{CASES}CASE-A/change/"],
)
def test_of_any_other_page_nothing_is_said(asked, following):
    page = asked(following)
    assert "Next:" not in page
    assert "evil" not in page


def test_it_stays_when_the_password_is_wrong(client):
    sign_in(client, PersonFactory())
    answer = client.post(ASK, {"password": "wrong", "next": "/access/keys/AAAAAAAAAAAAAAAA/claim/"})
    assert "Next: claiming a key" in words(answer)


def test_a_second_factor_is_asked_for_with_the_same_words(client):
    person = PersonFactory()
    Authenticator.objects.create(user=person, type="totp", data={})
    Passkey().of(person)
    client.force_login(person)
    for at in ("/accounts/2fa/reauthenticate/", "/accounts/2fa/webauthn/reauthenticate/"):
        assert CASE in words(client.get(at, {"next": f"{CASES}CASE-AAAAAAAA/change/"}))


def test_so_does_who_can_only_sign_in_again(client):
    person = UserFactory()
    person.set_unusable_password()
    person.save()
    client.force_login(person)
    page = client.get("/accounts/sign-in-again/", {"next": "/access/keys/AAAAAAAAAAAAAAAA/claim/"})
    assert "Next: claiming a key" in words(page)
