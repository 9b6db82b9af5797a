"""Portal and sandbox model as processes of their own, on the server production uses."""

import http.client
import json
import os

import pytest
from django.utils import timezone

from portal.credentials.models import Credential
from tests.factories.accounts import UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway
from tests.log import events_about
from tests.processes import portal_environment, web

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = json.dumps({"model": "aurora", "input": "Hello"})


@pytest.fixture(scope="module")
def portal(django_db_setup):
    with web("portal.wsgi:application", portal_environment()) as address:
        yield address


def send(address, method, path, headers, body=""):
    """One request; `headers` are pairs, so that a name may come twice."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    try:
        connection.putrequest(method, path)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            connection.putheader(name, value)
        connection.endheaders(body.encode())
        said = connection.getresponse()
        return said.status, json.loads(said.read() or "null")
    finally:
        connection.close()


def test_the_server_lets_no_second_header_through(portal):
    credential, token = make_live_key()
    gateway, secret = make_gateway(credential.grant.phase.release)
    good, known = ("Authorization", f"Bearer {token}"), basic(gateway.client_id, secret)
    wrong = ("Authorization", "Bearer tpk_live_x")
    asking = ("X-Gateway-Authorization", known)

    def ask(*headers):
        return send(portal, "GET", "/gateway/authorize?scope=model:infer", headers)[0]

    assert ask(asking, good) == 200
    assert [ask(asking, good, wrong), ask(asking, wrong, good), ask(asking, good, good)] == [
        401
    ] * 3
    assert ask(asking, ("X-Gateway-Authorization", "Basic x"), good) == 401
    assert ask(("X-Gateway-Authorization", "Basic x"), asking, good) == 401
    assert ask(asking, good, ("X-Required-Scope", "cyber:scan"), ("X-Required-Scope", "a:b")) == 400
    assert ask(asking, ("Authorization", "Bearer " + "a" * 65_536)) in {400, 401, 431}


def test_the_server_takes_underscores_for_hyphens_so_the_proxy_must_drop_them(portal):
    """Why the README asks for that: behind a proxy which does not, a caller writes its headers."""
    credential, token = make_live_key()
    gateway, secret = make_gateway(credential.grant.phase.release)
    known = ("X_Gateway_Authorization", basic(gateway.client_id, secret))
    good = ("Authorization", f"Bearer {token}")
    assert send(portal, "GET", "/gateway/authorize?scope=model:infer", [known, good])[0] == 200


def test_the_sandbox_asks_the_portal_about_every_call(portal):
    credential, token = make_live_key()
    gateway, secret = make_gateway(credential.grant.phase.release)
    env = {
        "PATH": os.environ["PATH"],
        "PORTAL_URL": portal,
        "SANDBOX_GATEWAY_ID": gateway.client_id,
        "SANDBOX_GATEWAY_SECRET": secret,
    }
    key = [("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")]

    def ask(headers=key, query="", body=GOOD):
        status, said = send(address, "POST", f"/sandbox/v1/responses{query}", headers, body)
        return status, said.get("object") or said["error"]["code"]

    with web("portal.gateway.sandbox:application", env) as address:
        assert ask() == (200, "response")
        assert ask(headers=[]) == (401, "invalid_api_key")
        assert ask(body=GOOD[:-1] + ', "capability": "cyber:scan"}') == (403, "insufficient_scope")
        assert ask(query=f"?key={token}") == (401, "invalid_api_key")
        assert [e.payload for e in events_about(credential.kid)] == [{"place": "original_uri"}]
        Credential.objects.filter(pk=credential.pk).update(
            status="revoked", revoked_at=timezone.now(), revoked_by=UserFactory()
        )
        assert ask() == (401, "invalid_api_key")
        # Its own credentials fail: that is not the caller's fault, and still nobody passes.
        gateway.disabled_at, gateway.disabled_by = timezone.now(), UserFactory()
        gateway.save()
        assert ask() == (503, "check_unavailable")
