"""The short way of the doors beside the long one: the same yes, and never a no."""

import io
import json
from datetime import timedelta
from types import SimpleNamespace

import pytest

from portal import sparingly
from portal.credentials import last_use
from portal.credentials.models import Credential
from portal.credentials.services import rotate_credential
from portal.gateway import outage
from portal.gateway.models import Gateway
from portal.gateway.quick import quick
from portal.request_id import request_id
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway
from tests.queries import no_database

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
LONG_WAY = [b"the long way"]


@pytest.fixture
def key():
    credential, token = make_live_key()
    gateway, secret = make_gateway(credential.grant.phase.release)
    return credential, token, basic(gateway.client_id, secret)


def ask(path, method="GET", body=b"", query="", **headers):
    """What the short way answers: (status, headers, body), or None for the long way."""
    said = {}
    environ = {
        "PATH_INFO": path,
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **{name: value for name, value in headers.items() if value},
    }
    entry = quick(lambda _environ, _start: LONG_WAY)
    answer = entry(environ, lambda status, head: said.update(status=status, headers=dict(head)))
    if answer is LONG_WAY:
        assert environ["wsgi.input"].read() == body  # put back for whoever comes next
        return None
    return said["status"], said["headers"], b"".join(answer)


def introspect(key, token=None, **changed):
    body = f"token={token or key[1]}".encode()
    return ask(
        "/oauth/introspect", "POST", body, HTTP_AUTHORIZATION=key[2], CONTENT_TYPE=FORM, **changed
    )


def authorize(key, token=None, query="scope=model:infer", **changed):
    told = {"HTTP_X_GATEWAY_AUTHORIZATION": key[2]}
    told |= {"HTTP_AUTHORIZATION": f"Bearer {token or key[1]}"} | changed
    return ask("/gateway/authorize", query=query, **told)


def test_both_ways_say_yes_alike(key, client):
    long = client.post(
        "/oauth/introspect", f"token={key[1]}", FORM, headers={"Authorization": key[2]}
    )
    status, headers, body = introspect(key)
    assert (status, body) == ("200 OK", long.content)
    assert headers["Cache-Control"] == "no-store"
    long = client.get(
        "/gateway/authorize?scope=model:infer",
        headers={"X-Gateway-Authorization": key[2], "Authorization": f"Bearer {key[1]}"},
    )
    status, headers, body = authorize(key)
    assert (status, body) == ("200 OK", b"")
    told = {name: value for name, value in long.headers.items() if name.startswith("X-Access-")}
    assert {n: v for n, v in headers.items() if n.startswith("X-Access-")} == told
    assert len(told) == 7


def test_every_no_goes_the_long_way(key):
    assert introspect(key, token=key[1][:-1] + "_") is None
    assert introspect(key, token=make_live_key()[1]) is None  # of another release
    assert introspect(key, HTTP_COOKIE=f"k={key[1]}") is None
    assert introspect((*key[:2], "Basic x")) is None
    assert authorize(key, query="scope=cyber:scan") is None
    assert authorize(key, query="") is None
    assert authorize(key, HTTP_X_REQUIRED_SCOPE="cyber:scan") is None
    assert authorize(key, HTTP_X_ORIGINAL_URI=f"/?k={key[1]}") is None
    assert authorize(key, HTTP_X_ORIGINAL_URI=f"/?k={key[1].replace('t', '%74', 1)}") is None


def test_what_is_remembered_is_forgotten_when_the_key_stops(key):
    assert introspect(key) is not None
    assert introspect(key) is not None  # remembered by now
    Credential.objects.filter(pk=key[0].pk).update(status="retired")
    assert introspect(key) is None


@pytest.mark.parametrize("kind", ["live", "test"])
@pytest.mark.parametrize("sandbox", [False, True])
def test_a_sandbox_takes_both_kinds_and_others_live_keys_only(kind, sandbox):
    credential, token = make_live_key(kind=kind)
    gateway, secret = make_gateway(credential.grant.phase.release, sandbox=sandbox)
    key = (credential, token, basic(gateway.client_id, secret))
    for door in (introspect, authorize, introspect, authorize):  # read, then remembered
        assert (door(key) is not None) is (kind == "live" or sandbox)


def test_a_sandbox_that_becomes_a_gateway_to_the_model_refuses_test_keys_at_once():
    credential, token = make_live_key(kind="test")
    gateway, secret = make_gateway(credential.grant.phase.release, sandbox=True)
    key = (credential, token, basic(gateway.client_id, secret))
    assert introspect(key) is not None
    Gateway.objects.update(sandbox=False)
    assert (introspect(key), authorize(key)) == (None, None)


@pytest.mark.parametrize("door", [introspect, authorize])
def test_what_follows_from_a_yes_follows_from_a_short_one(key, door):
    last_use.flush_uses()
    old = key[0]
    new, minted = rotate_credential(kid=old.kid, by=old.grant.holder)
    for _ in range(2):
        assert door(key, token=minted.token) is not None
    started = Credential.objects.get(pk=new.pk).overlap_started_at
    assert Credential.objects.get(pk=old.pk).expires_at == started + timedelta(hours=24)
    last_use.flush_uses()
    assert Credential.objects.get(pk=new.pk).last_used_at
    assert Credential.objects.get(pk=old.pk).last_used_at is None


@pytest.mark.django_db(transaction=True)
def test_without_an_answer_of_the_database_it_says_so(key):
    with no_database():
        answers = introspect(key), authorize(key)
    for status, headers, body in answers:
        assert (status, headers["Retry-After"]) == ("503 Service Unavailable", "2")
        assert json.loads(body)["error"] == "temporarily_unavailable"
        assert b"127.0.0.1" not in body


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sent", ["0123456789", "", "no id"])
def test_an_outage_is_told_with_the_door_and_an_id_that_the_caller_has_too(key, caplog, sent):
    asked_under = []
    outage.told.clear()
    caplog.handler.addFilter(lambda _record: asked_under.append(request_id.get()) or True)
    with no_database():
        answers = [door(key, HTTP_X_REQUEST_ID=sent)[1] for door in (introspect, authorize)]
    told = [record for record in caplog.records if record.name == "portal.gateway.outage"]
    assert [record.door for record in told] == ["introspect", "authorize"]
    assert asked_under == [headers["X-Request-Id"] for headers in answers]
    assert (set(asked_under) == {sent}) is (sent == "0123456789")
    assert all(asked_under)
    assert request_id.get() == ""


@pytest.mark.django_db(transaction=True)
def test_an_outage_is_told_once_a_second_and_the_rest_is_counted(key, caplog, monkeypatch):
    outage.told.clear()
    now = [1000.0]
    monkeypatch.setattr(sparingly, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with no_database():
        for _ in range(3):
            assert introspect(key)[0] == "503 Service Unavailable"
        now[0] += 1
        introspect(key)
    told = [record.message for record in caplog.records if record.name == "portal.gateway.outage"]
    first, second = told
    assert first.startswith("no answer from the database: ")
    assert second == f"{first}, and 2 more since the line before"


def test_the_headers_of_a_page_that_is_none(key, client, settings):
    settings.SECURE_HSTS_SECONDS = 60
    headers = introspect(key, HTTP_X_REQUEST_ID="0123456789")[1]
    long = client.post(
        "/oauth/introspect",
        f"token={key[1]}",
        FORM,
        headers={"Authorization": key[2], "X-Request-Id": "0123456789"},
        secure=True,
    )
    alike = ("Cache-Control", "X-Content-Type-Options", "Referrer-Policy", "X-Request-Id")
    assert {name: headers[name] for name in alike} == {name: long[name] for name in alike}
    assert headers["Strict-Transport-Security"] == "max-age=60; includeSubDomains; preload"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
