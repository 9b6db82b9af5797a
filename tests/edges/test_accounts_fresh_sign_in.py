"""Acts that need a fresh sign-in: asked for again, and closed to whoever cannot be asked."""

import time
from contextlib import nullcontext

import pytest
from allauth.account.internal.flows.reauthentication import STATE_SESSION_KEY
from allauth.core.exceptions import ReauthenticationRequired
from django.http import HttpResponse
from django.test import RequestFactory

from accounts.reauthentication import fresh_sign_in_required, is_fresh
from tests.factories.accounts import PASSWORD, PersonFactory, UserFactory, sign_in

pytestmark = pytest.mark.django_db
ADD_FACTOR, SET_PASSWORD = "/accounts/2fa/totp/activate/", "/accounts/password/set/"
ASK = "/accounts/reauthenticate/"
AGAIN = "/accounts/sign-in-again/"


def turn_back_the_clock(client, seconds):
    """As if every step of this session's sign-in lay so long ago."""
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] -= seconds
    session.save()


@pytest.fixture
def by_institution(client):
    """Somebody without password or second factor, signed in a moment ago."""
    person = UserFactory()
    person.set_unusable_password()
    person.save()
    client.force_login(person)
    session = client.session
    session["account_authentication_methods"] = [{"method": "socialaccount", "at": time.time()}]
    session["account_authentication_methods_user"] = str(person.pk)
    session.save()
    return person


def test_the_password_is_asked_for_again_and_leads_back(client):
    sign_in(client, PersonFactory())
    asked = client.get(ADD_FACTOR)
    assert asked.url == f"{ASK}?next=%2Faccounts%2F2fa%2Ftotp%2Factivate%2F"
    assert client.post(asked.url, {"password": "wrong"}).status_code == 200
    assert client.get(ADD_FACTOR).status_code == 302
    assert client.post(asked.url, {"password": PASSWORD}).url == ADD_FACTOR
    assert client.get(ADD_FACTOR).status_code == 200


@pytest.mark.parametrize(("age", "status"), [(290, 200), (301, 302)])
def test_it_holds_for_five_minutes(client, age, status):
    sign_in(client, PersonFactory())
    client.post(ASK, {"password": PASSWORD})
    turn_back_the_clock(client, age)
    assert client.get(ADD_FACTOR).status_code == status


def test_a_form_sent_too_late_leads_back_to_its_page_and_is_stored_nowhere(client):
    sign_in(client, PersonFactory())
    page = "http://testserver/accounts/2fa/?from=here"
    late = client.post(ADD_FACTOR, {"code": "123456"}, headers={"Referer": page})
    assert late.url == f"{ASK}?next=%2Faccounts%2F2fa%2F"
    elsewhere = client.post(ADD_FACTOR, headers={"Referer": "https://evil.example/x"})
    assert elsewhere.url == f"{ASK}?next=%2F"
    assert STATE_SESSION_KEY not in client.session


def test_questions_have_a_limit(client):
    sign_in(client, PersonFactory())
    answers = [client.post(ASK, {"password": "wrong"}).status_code for _ in range(11)]
    assert answers[-1] == 429


@pytest.mark.parametrize("page", [ADD_FACTOR, SET_PASSWORD])
def test_whoever_cannot_be_asked_must_have_signed_in_just_now(client, by_institution, page):
    turn_back_the_clock(client, 290)
    assert client.get(page).status_code != 500
    assert client.get(page).headers.get("Location") is None
    turn_back_the_clock(client, 11)
    assert client.get(page).url.startswith(f"{AGAIN}?next=")
    assert client.post(page, {"password1": PASSWORD, "password2": PASSWORD}).url == (
        f"{AGAIN}?next=%2F"
    )
    by_institution.refresh_from_db()
    assert not by_institution.has_usable_password()


def test_a_session_that_cannot_say_how_it_began_is_not_fresh(client):
    person = UserFactory()
    person.set_unusable_password()
    person.save()
    client.force_login(person)
    assert client.get(SET_PASSWORD).url.startswith(AGAIN)


def test_signing_in_again_signs_out_first_and_comes_back(client, by_institution):
    assert "Sign out and in again" in client.get(f"{AGAIN}?next={SET_PASSWORD}").content.decode()
    answer = client.post(AGAIN, {"next": SET_PASSWORD})
    assert answer.url == "/accounts/login/?next=%2Faccounts%2Fpassword%2Fset%2F"
    assert "_auth_user_id" not in client.session
    assert client.post(AGAIN, {"next": "https://evil.example"}).url == "/accounts/login/?next=%2F"


def test_the_decorator_sends_strangers_to_sign_in():
    from django.contrib.auth.models import AnonymousUser  # noqa: PLC0415

    guarded = fresh_sign_in_required(lambda request: HttpResponse("inside"))
    request = RequestFactory().get("/access/")
    request.user = AnonymousUser()
    assert guarded(request).url == "/accounts/login/?next=/access/"


@pytest.mark.parametrize(
    ("again", "age", "let_in"),
    [(False, 0, False), (True, 0, True), (True, 290, True), (True, 301, False)],
)
def test_the_decorator_wants_the_password_again_however_lately_it_was_given(again, age, let_in):
    request = RequestFactory().get("/access/")
    request.user = PersonFactory()
    record = {"method": "password", "at": time.time() - age, "reauthenticated": again}
    request.session = {
        "account_authentication_methods": [record],
        "account_authentication_methods_user": str(request.user.pk),
    }
    guarded = fresh_sign_in_required(lambda _request: HttpResponse("inside"))
    assert is_fresh(request) == let_in
    with nullcontext() if let_in else pytest.raises(ReauthenticationRequired):
        assert guarded(request).content == b"inside"
