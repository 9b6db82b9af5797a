"""Signing up and in: codes, second factors, no telling who has an account, limits of rate."""

import re
import time
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.test import Client

from accounts.models import User
from tests.factories.accounts import PASSWORD, PersonFactory, sign_in
from tests.log import events_about

pytestmark = pytest.mark.django_db
LOGIN, SIGNUP, CODE = "/accounts/login/", "/accounts/signup/", "/accounts/confirm-email/"
NEW = {"email": "Ada@Example.org", "name": "Ada Lovelace", "password1": PASSWORD}


def mailed_code(mail):
    return re.search(r"^\s*([A-Z]{3,4}-[A-Z]{3,4})\s*$", mail.body, re.MULTILINE)[1]


def current_code(secret):
    """The code an authenticator shows now; the step after it is begun does not end it."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // app_settings.TOTP_PERIOD))


def with_totp(user):
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def words(response):
    text = re.sub(r'csrfmiddlewaretoken" value="[^"]+"', "", response.content.decode())
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_signing_up_asks_name_and_code_and_then_signs_in(client, mailoutbox, settings):
    answer = client.post(SIGNUP, NEW)
    assert (answer.status_code, answer.url) == (302, CODE)
    assert "_auth_user_id" not in client.session
    (mail,) = mailoutbox
    assert mail.body.startswith("Hello from Trusted Access!")
    assert urlsplit(settings.BASE_URL).netloc in mail.body
    assert mail.to == ["ada@example.org"]
    answer = client.post(CODE, {"code": mailed_code(mail)})
    ada = User.objects.get(email="ada@example.org")
    assert (answer.url, ada.name) == ("/", "Ada Lovelace")
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert EmailAddress.objects.get(user=ada).verified
    assert [(e.kind, e.payload, e.actor) for e in events_about(ada.ref)] == [
        ("user.security_changed", {"what": "email_confirmed"}, ada.ref),
        ("user.signed_up", {}, ada.ref),
    ]


def test_a_wrong_code_signs_nobody_in_and_three_end_it(client, mailoutbox):
    client.post(SIGNUP, NEW)
    answers = [client.post(CODE, {"code": "WRONG1"}).status_code for _ in range(3)]
    assert answers == [200, 200, 302]
    client.post(CODE, {"code": mailed_code(mailoutbox[0])})
    assert "_auth_user_id" not in client.session
    assert not EmailAddress.objects.filter(verified=True).exists()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", "www.evil.example", "Leave out web addresses"),
        ("name", "", "This field is required"),
        ("password1", "short", "at least 12 characters"),
        ("email", "nobody", "Enter a valid e"),
    ],
)
def test_a_wrong_sign_up_is_told_beside_the_field(client, field, value, told):
    answer = client.post(SIGNUP, {**NEW, field: value})
    assert (answer.status_code, told in words(answer)) == (200, True)
    assert not User.objects.exists()


def test_signing_up_tells_nobody_who_has_an_account(mailoutbox):
    """The same answer and the same next page; only the mail differs, to the address itself."""
    PersonFactory(email="ada@example.org")
    seen = []
    for email in ("ada@example.org", "new@example.org"):
        client = Client()
        answer = client.post(SIGNUP, {**NEW, "email": email})
        page = client.get(answer.url)
        seen.append((answer.status_code, answer.url, words(page).replace(email, "…")))
    assert seen[0] == seen[1]
    known, new = mailoutbox
    assert ("already" in known.body, "already" in new.body) == (True, False)
    assert User.objects.filter(email="ada@example.org").count() == 1


def test_signing_in_tells_nobody_who_has_an_account():
    PersonFactory(email="ada@example.org")
    pages = []
    for email in ("ada@example.org", "nobody@example.org"):
        answer = Client().post(LOGIN, {"login": email, "password": "not the password"})
        pages.append((answer.status_code, words(answer), email in answer.content.decode()))
    assert pages[0] == pages[1]
    assert pages[0][2], "what was typed is kept"


def test_resetting_a_password_tells_nobody_who_has_an_account(mailoutbox):
    PersonFactory(email="ada@example.org")
    seen = []
    for email in ("ada@example.org", "nobody@example.org"):
        client = Client()
        answer = client.post("/accounts/password/reset/", {"email": email})
        seen.append((answer.status_code, answer.url, words(client.get(answer.url))))
    assert seen[0] == seen[1]
    assert [mail.to for mail in mailoutbox] == [["ada@example.org"], ["nobody@example.org"]]


def test_a_mail_server_that_is_down_loses_nothing(client, settings, mailoutbox):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    page = client.post(SIGNUP, NEW, follow=True)
    assert (page.status_code, page.request["PATH_INFO"]) == (200, CODE)
    assert "could not be sent just now" in words(page)
    assert "Confirmation email sent" not in words(page)

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    from django.core.cache import cache  # noqa: PLC0415

    cache.clear()  # ten seconds later
    client.post(CODE, {"action": "resend"})
    client.post(CODE, {"code": mailed_code(mailoutbox[0])})
    assert "_auth_user_id" in client.session


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_nowhere_else(client, target):
    person = PersonFactory()
    given = {"login": person.email, "password": PASSWORD, "next": target}
    assert client.post(f"{LOGIN}?next={target}", given).url == "/"


def test_five_wrong_passwords_close_one_account_for_a_while(client):
    person = PersonFactory()
    for _ in range(5):
        client.post(LOGIN, {"login": person.email, "password": "wrong"})
    answer = client.post(LOGIN, {"login": person.email, "password": PASSWORD})
    assert (answer.status_code, "Too many failed login attempts" in words(answer)) == (200, True)
    sign_in(Client(), PersonFactory())  # somebody else at the same address still comes in


def test_the_entrance_has_a_limit_and_says_when_to_come_back(client):
    answers = [client.post(SIGNUP, {}) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert answers[-1]["Retry-After"] == "60"
    assert "Wait a minute" in words(answers[-1])


def test_limits_count_the_address_our_proxies_saw(settings):
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    for _ in range(20):
        Client().post(SIGNUP, {}, headers={"X-Forwarded-For": "6.6.6.6, 198.51.100.7"})
    forged = {"X-Forwarded-For": "1.2.3.4, 198.51.100.7"}
    assert Client().post(SIGNUP, {}, headers=forged).status_code == 429
    other = {"X-Forwarded-For": "198.51.100.8"}
    assert Client().post(SIGNUP, {}, headers=other).status_code == 200
    assert Client().post(SIGNUP, {}, headers={"X-Forwarded-For": "junk"}).status_code == 200


def test_a_second_factor_is_asked_for_and_its_seed_is_stored_encrypted(client):
    person = PersonFactory()
    secret = with_totp(person)
    assert secret not in str(Authenticator.objects.get().data)
    answer = client.post(LOGIN, {"login": person.email, "password": PASSWORD})
    assert (answer.url, "_auth_user_id" in client.session) == ("/accounts/2fa/authenticate/", False)
    assert client.post(answer.url, {"code": "000000"}).status_code == 200
    assert "_auth_user_id" not in client.session
    assert client.post(answer.url, {"code": current_code(secret)}).url == "/"
    assert client.session["_auth_user_id"] == str(person.pk)


def test_an_older_secret_key_still_reads_the_seed(settings):
    person = PersonFactory()
    secret = with_totp(person)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "x" * 50
    assert Authenticator.objects.get().wrap().validate_code(current_code(secret))


@pytest.mark.django_db(transaction=True)
def test_a_change_of_password_is_mailed_and_logged(client, mailoutbox):
    person = PersonFactory()
    sign_in(client, person)
    new = "another long and quiet sentence"
    client.post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )
    person.refresh_from_db()
    assert (person.check_password(new), len(mailoutbox)) == (True, 1)
    (event,) = events_about(person.ref)
    assert (event.kind, event.payload) == ("user.security_changed", {"what": "password_changed"})


def test_a_suspended_person_signs_in_and_reads_why(client):
    person, staff = PersonFactory(), PersonFactory()
    User.objects.filter(pk=person.pk).update(suspended_at="2026-01-01T00:00Z", suspended_by=staff)
    sign_in(client, person)
    assert "Your account is suspended" in words(client.get("/accounts/profile/"))


@pytest.mark.parametrize(
    "page",
    [
        LOGIN,
        SIGNUP,
        "/accounts/signup/passkey/",
        "/accounts/password/reset/",
        "/accounts/sign-in-again/",
    ],
)
def test_every_entrance_opens(client, page):
    assert client.get(page).status_code == 200


@pytest.mark.parametrize(
    "page",
    [
        "/accounts/email/",
        "/accounts/password/change/",
        "/accounts/2fa/",
        "/accounts/sessions/",
        "/accounts/3rdparty/",
        "/accounts/profile/",
    ],
)
def test_every_page_of_the_account_opens(client, page):
    sign_in(client, PersonFactory())
    assert client.get(page).status_code == 200


def test_no_institution_is_offered_unless_configured(client):
    assert client.get("/accounts/github/login/").status_code == 404
    assert not re.search("github|orcid", client.get(LOGIN).content.decode(), re.IGNORECASE)
