import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import peppers
from portal.gateway import authentication
from portal.gateway.authentication import Caller, authenticate
from portal.gateway.models import Gateway
from tests.factories.gateway import basic, make_gateway
from tests.factories.programs import ModelReleaseFactory


@pytest.fixture
def registered(db):
    return make_gateway(ModelReleaseFactory(audience="https://model.example.org"))


def encoded(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_the_right_secret_is_let_in(registered):
    gateway, secret = registered
    caller = Caller(gateway.client_id, "https://model.example.org")
    assert authenticate(basic(gateway.client_id, secret)) == caller
    assert authenticate(basic(gateway.client_id, secret).replace("Basic", "bAsIc ")) == caller


def test_each_half_is_decoded_as_a_form_would_be(registered):
    gateway, _ = registered
    # RFC 6749 2.3.1: what is not a letter or a digit arrives as %XX, a space as +.
    gateway.pepper_version, gateway.digest = authentication.hash_secret(gateway.client_id, "a b:ü%")
    gateway.save()
    name = gateway.client_id.replace("-", "%2D")
    assert authenticate(encoded(f"{name}:a+b%3A%C3%BC%25"))
    assert not authenticate(encoded(f"{name}:a b:%FC%"))


def test_a_disabled_gateway_is_not(registered):
    gateway, secret = registered
    Gateway.objects.filter(pk=gateway.pk).update(
        disabled_at=gateway.registered_at, disabled_by=gateway.registered_by
    )
    assert authenticate(basic(gateway.client_id, secret)) is None


def test_a_secret_belongs_to_one_gateway(registered):
    gateway, secret = registered
    other, _ = make_gateway(ModelReleaseFactory(), name="Other")
    Gateway.objects.filter(pk=other.pk).update(digest=gateway.digest)
    assert authenticate(basic(other.client_id, secret)) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic Zg",
        encoded(""),
        encoded(":"),
        encoded("GW-AAAAAAAA"),
        encoded("GW-AAAAAAAA:wrong"),
        encoded("GW-AAAAAAAA\x00:wrong"),
        encoded("'; DROP TABLE gateway_gateway;--:x"),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Bearer abc",
        "Basic " + "QUFB" * 20_000,
    ],
)
def test_anything_else_is_nobody(db, header):
    assert authenticate(header) is None


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
def test_the_header_may_hold_anything(text):
    # Without a database: nothing of this has the shape of a client id, so nobody is asked.
    assert authenticate(f"Basic {text}") is None


def test_unknown_wrong_and_malformed_hash_just_as_often(registered, monkeypatch):
    gateway, _ = registered
    hashed = []
    digest = peppers._digest
    monkeypatch.setattr(peppers, "_digest", lambda *a: hashed.append(1) or digest(*a))
    costs = []
    for header in (basic(gateway.client_id, "wrong"), basic("GW-AAAAAAAA", "wrong"), "junk", None):
        hashed.clear()
        authenticate(header)
        costs.append(len(hashed))
    assert costs == [1, 1, 1, 1]


def test_secrets_are_long_random_and_known_to_scanners():
    secret = authentication.new_secret()
    assert secret.startswith("tpg_")
    assert len(secret) == 47
    assert secret != authentication.new_secret()
