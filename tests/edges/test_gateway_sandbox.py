"""The sandbox model at the portal's own address."""

import pytest
from django.utils import timezone

from portal.credentials.models import Credential, Grant, UsageDay
from portal.gateway.models import Gateway
from tests.factories.accounts import UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import make_gateway
from tests.log import events_about

pytestmark = pytest.mark.django_db
ADDRESS = "/sandbox/v1/responses"


@pytest.fixture
def key():
    credential, token = make_live_key()
    make_gateway(credential.grant.phase.release)
    return credential, token


def ask(client, token, query="", **body):
    return client.post(
        ADDRESS + query,
        {"model": "aurora", "input": "Hello"} | body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )


def test_a_good_key_gets_an_answer(client, key):
    response = ask(client, key[1])
    assert (response.status_code, response.json()["object"]) == (200, "response")
    assert response["Cache-Control"] == "no-store"


def test_a_test_key_gets_an_answer(client, key):
    _test, token = make_live_key(grant=key[0].grant, kind="test")
    assert ask(client, token).status_code == 200


def test_a_revoked_key_is_refused_at_the_very_next_call(client, key):
    assert ask(client, key[1]).status_code == 200
    Credential.objects.filter(pk=key[0].pk).update(
        status="revoked", revoked_at=timezone.now(), revoked_by=UserFactory()
    )
    response = ask(client, key[1])
    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def test_refusals(client, key):
    assert ask(client, None).status_code == 401
    assert ask(client, key[1], capability="cyber:scan").status_code == 403
    assert ask(client, key[1], model="").status_code == 400
    assert client.get(ADDRESS).status_code == 405
    assert ask(client, key[1], input="a" * 70_000).status_code == 413


def test_a_key_in_the_address_is_refused_and_noted(client, key):
    assert ask(client, key[1], query=f"?key={key[1]}").status_code == 401
    assert [event.kind for event in events_about(key[0].kid)] == ["credential.leak_suspected"]


def test_without_a_gateway_nothing_is_allowed(client, key):
    Gateway.objects.update(disabled_at=timezone.now(), disabled_by=UserFactory())
    assert ask(client, key[1]).status_code == 503


def test_it_holds_to_the_grant_s_limits_and_counts(client, key):
    credential, token = key
    Grant.objects.filter(pk=credential.grant_id).update(requests_per_minute=2)
    answers = [ask(client, token, model=model) for model in ("aurora", "", "aurora")]
    assert [each.status_code for each in answers] == [200, 400, 429]
    assert [each["RateLimit"].partition(";t=")[0] for each in answers] == [
        '"requests";r=1',
        '"requests";r=0',
        '"requests";r=0',
    ]
    tokens = answers[0].json()["usage"]["total_tokens"]
    counted = UsageDay.objects.values_list("grant", "requests", "tokens", "refused")
    assert list(counted) == [(credential.grant_id, 2, tokens, 1)]


def test_who_has_no_access_uses_up_nothing(client, key):
    ask(client, None)
    ask(client, key[1], capability="cyber:scan")
    assert not UsageDay.objects.exists()
