"""Whatever is sent has a limit of how often, and the answer beyond it says when to come back."""

import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import get_resolver

from tests.edges.test_accounts_sign_in import current_code, with_totp, words
from tests.factories.accounts import PASSWORD, PersonFactory, sign_in
from tests.meta.surface import walk

pytestmark = pytest.mark.django_db
RESET = "/accounts/password/reset/"
# How often one person may send it: counted is whoever comes, let in or not.
AN_HOUR = {
    "accounts:organizations": 20,
    "accounts:profile": 30,
    "accounts:change_role": 60,
    "accounts:remove_member": 60,
    "accounts:withdraw_invitation": 60,
    "accounts:invite": 20,
    "accounts:resend_invitation": 20,
    "accounts:invitation": 20,
    "applications:apply": 20,
    "applications:agreement": 30,
    "applications:check": 30,
    "applications:send": 30,
    "applications:withdraw": 30,
    "applications:appeal": 10,
    "credentials:case": 20,
    "credentials:offer": 30,
    "credentials:claim": 10,
    "credentials:rotate": 10,
    "credentials:rename": 60,
    "credentials:revoke": 60,
    "credentials:request_key": 20,
    "credentials:make_test_key": 10,
    "credentials:give_up": 20,
    "terms": 30,
    "webhooks:endpoints": 20,
    "webhooks:ping": 30,
    "webhooks:resend": 60,
    "webhooks:switch_on": 60,
    "webhooks:switch_off": 60,
    "webhooks:remove": 60,
}
A_MINUTE = {
    "applications:organization": 120,
    "applications:section": 120,
    "applications:capabilities": 120,
}
LIMITS = AN_HOUR | A_MINUTE
# What answers a POST and does nothing worth counting: it signs out, or shows a page.
UNCOUNTED = {"accounts:sign_in_again", "accounts:organization", "webhooks:endpoint"}
OURS = ("accounts:", "applications:", "credentials:", "terms", "webhooks:")
FILLED = {"reference": "ORG-000000", "kid": "0" * 16, "slug": "nowhere", "int": "1"}


def forms():
    """{name: address} of what is the portal's own, each of a thing that does not exist."""
    return {
        name: "/" + re.sub(r"<(\w+):\w+>", lambda match: FILLED[match[1]], route)
        for name, route in walk(get_resolver())
        if name.startswith(OURS)
    }


@pytest.fixture
def somebody(client):
    client.force_login(PersonFactory())
    return client


def as_if_sent(times):
    """What was counted once, a moment ago, becomes so many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key FROM cache")
        [counted] = [key.split(":", 2)[2] for (key,) in cursor.fetchall()]
    cache.set(counted, cache.get(counted) * times, 3600)


def test_every_form_is_counted_below(somebody):
    takes = {name for name, to in forms().items() if somebody.post(to).status_code != 405}
    assert takes - UNCOUNTED == {*LIMITS}


@pytest.mark.parametrize("name", LIMITS)
def test_a_form_is_sent_so_often_and_then_told_when_to_come_back(somebody, name):
    address, answers = forms()[name], []
    answers.append(somebody.post(address))
    as_if_sent(LIMITS[name] - 1)
    answers += [somebody.post(address) for _ in range(2)]
    assert {answer.status_code for answer in answers[:-1]} <= {200, 302, 400, 403, 404, 409}
    assert answers[-1].status_code == 429
    longest = 3600 if name in AN_HOUR else 60
    assert 1 <= int(answers[-1]["Retry-After"]) <= longest
    other = Client()
    other.force_login(PersonFactory())
    assert other.post(address).status_code != 429


# --- The way in -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "a_minute"),
    [
        ("/accounts/login/", 30),
        ("/accounts/signup/passkey/", 20),
        ("/accounts/2fa/webauthn/login/", 10),
        ("/accounts/password/reset/key/1-nonsense/", 20),
    ],
)
def test_an_entrance_takes_so_many_of_one_address(client, address, a_minute):
    codes = [client.post(address).status_code for _ in range(a_minute + 1)]
    assert 429 not in codes[:-1]
    assert codes[-1] == 429


def ask_for_reset(email):
    return Client().post(RESET, {"email": email}).status_code


def test_forgotten_passwords_are_mailed_to_one_mailbox_only_so_often(mailoutbox):
    assert [ask_for_reset("ada@example.org") for _ in range(6)] == [302] * 5 + [429]
    assert ask_for_reset("ADA@example.org") == 429
    assert len(mailoutbox) == 5
    assert ask_for_reset("bob@example.org") == 302


def test_forgotten_passwords_are_asked_for_only_so_often_from_one_address(mailoutbox):
    codes = [ask_for_reset(f"{number}@example.org") for number in range(21)]
    assert codes == [302] * 20 + [429]
    assert len(mailoutbox) == 20


def test_codes_of_a_second_factor_are_guessed_five_times(client):
    person = PersonFactory()
    secret = with_totp(person)
    asked = client.post("/accounts/login/", {"login": person.email, "password": PASSWORD}).url
    for _ in range(5):
        assert client.post(asked, {"code": "000000"}).status_code == 200
    late = client.post(asked, {"code": current_code(secret)})
    assert (late.status_code, "_auth_user_id" in client.session) == (200, False)
    assert "Too many failed login attempts" in words(late)


def test_a_code_is_mailed_to_a_new_address_only_so_often(client, mailoutbox):
    new = {"email": "ada@example.org", "name": "Ada Lovelace", "password1": PASSWORD}
    client.post("/accounts/signup/", new)
    for _ in range(3):
        client.post("/accounts/confirm-email/", {"action": "resend"})
    assert len(mailoutbox) == 1
    cache.clear()  # as if it were later
    client.post("/accounts/confirm-email/", {"action": "resend"})
    assert len(mailoutbox) == 2


def test_addresses_are_managed_only_so_often(client):
    person = sign_in(client, PersonFactory())
    codes = [person.post("/accounts/email/", {"action_add": ""}).status_code for _ in range(11)]
    assert 429 not in codes[:-1]
    assert codes[-1] == 429
