"""A partner calls until a limit says no, through two real gateways, and sees it counted."""

import json
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from django.conf import settings

from portal.credentials.models import Credential, Grant, UsageDay, UsageReport
from tests.factories.credentials import make_live_key
from tests.factories.gateway import make_gateway
from tests.processes import portal_environment, until, web

pytestmark = pytest.mark.django_db(transaction=True)
BODY = json.dumps({"model": "aurora", "input": "Hello there"}).encode()
TOKENS = 23  # one such call takes
LIMIT = 20


@pytest.fixture
def keys():
    """Two keys of one grant."""
    first, token = make_live_key(grant__requests_per_minute=LIMIT, grant__tokens_per_day=100_000)
    _, other = make_live_key(grant=first.grant)
    return first.grant, [token, other]


@pytest.fixture
def portal():
    with web("portal.wsgi:application", portal_environment()) as address:
        yield address


def sandbox(portal, grant):
    gateway, secret = make_gateway(grant.phase.release)
    return {
        **{name: value for name, value in portal_environment().items() if "REDIS" not in name},
        "PORTAL_URL": portal,
        "SANDBOX_GATEWAY_ID": gateway.client_id,
        "SANDBOX_GATEWAY_SECRET": secret,
        "SANDBOX_LIMITS_URL": settings.REDIS_URL,
    }


def call(address, token):
    asked = urllib.request.Request(
        f"{address}/sandbox/v1/responses",
        BODY,
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        answer = urllib.request.urlopen(asked, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, json.load(answer)


def test_calls_until_the_limit_and_what_was_used_on_the_page(portal, keys, client):
    grant, tokens = keys
    with ExitStack() as stack:
        env = sandbox(portal, grant)
        doors = [
            stack.enter_context(web("portal.gateway.sandbox:application", env)) for _ in range(2)
        ]

        def one(number):
            return call(doors[number % 2], tokens[number // 2 % 2])

        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(one, range(LIMIT + 12)))
        assert sorted(status for status, _, _ in said) == [200] * LIMIT + [429] * 12
        policy = f'"requests";q={LIMIT};w=60, "tokens";q=100000;qu="tokens";w=86400'
        assert {headers["RateLimit-Policy"] for _, headers, _ in said} == {policy}
        status, headers, body = call(doors[0], tokens[0])
        assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
        wait = int(headers["Retry-After"])
        assert re.fullmatch(
            rf'"requests";r=0;t={wait}, "tokens";r={100_000 - LIMIT * TOKENS};t=\d+',
            headers["RateLimit"],
        )
        # Staff give more: it counts at the very next call.
        Grant.objects.filter(pk=grant.pk).update(requests_per_minute=LIMIT + 1)
        assert [call(door, tokens[0])[0] for door in doors] == [200, 429]
        # A revoked key is told nothing of limits, and uses up nothing.
        Credential.objects.filter(grant=grant).update(status="expired")
        status, headers, _ = call(doors[0], tokens[1])
        assert (status, headers["RateLimit"]) == (401, None)
    # Both processes have ended, and reported before they did.
    counted = UsageDay.objects.values_list("grant", "day", "requests", "tokens", "refused")
    today = datetime.now(UTC).date()
    assert list(counted) == [(grant.pk, today, LIMIT + 1, (LIMIT + 1) * TOKENS, 14)]
    client.force_login(grant.holder)
    page = re.sub(r"<[^>]+>", "", client.get("/access/").content.decode())
    used = (LIMIT + 1) * TOKENS
    assert (
        f"Today (UTC): {used} of 100,000 tokens, {LIMIT + 1} requests, 14 more refused by a limit."
    ) in page


def test_a_running_gateway_reports_by_itself_and_a_portal_that_was_away_loses_nothing(keys):
    grant, tokens = keys
    with ExitStack() as stack:
        env = portal_environment()
        first = stack.enter_context(ExitStack())
        portal = first.enter_context(web("portal.wsgi:application", env))
        told = sandbox(portal, grant)
        door = stack.enter_context(web("portal.gateway.sandbox:application", told))
        assert call(door, tokens[0])[0] == 200
        first.close()  # the portal is gone before the report could be sent
        assert call(door, tokens[0])[0] == 503
        port = int(portal.rpartition(":")[2])
        stack.enter_context(web("portal.wsgi:application", env, port))
        until(lambda: UsageDay.objects.filter(grant=grant, requests=1).exists())
    assert UsageReport.objects.count() == 1
