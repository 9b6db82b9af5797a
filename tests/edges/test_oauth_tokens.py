"""Tokens at the doors of keys: introspection and forward-auth."""

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest

from portal.credentials import last_use, secrets
from portal.credentials.models import Credential, CredentialUse
from portal.credentials.services import rotate_credential
from portal.gateway import signing
from tests.edges.programs import JWKS, OURS, THEIRS, Gateway, Key, change, halt, plain, revoke
from tests.factories.programs import ModelReleaseFactory
from tests.factories.tokens import base64url, packed, signed, unpacked

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(client):
    return Key(client)


@pytest.fixture
def gateway(client, key):
    return Gateway(client, key.release)


def test_introspection_tells_of_a_token(key, gateway, settings):
    token = key.token(scope="model:infer")
    claims = unpacked(token)[1]
    grant = key.credential.grant
    response = gateway.introspect(token)
    assert response["Cache-Control"] == "no-store"
    assert response.json() == {
        "active": True,
        "scope": "model:infer",
        "client_id": key.kid,
        "token_type": "Bearer",
        "exp": claims["exp"],
        "iat": claims["iat"],
        "sub": grant.holder.ref,
        "aud": gateway.audience,
        "iss": settings.BASE_URL,
        "jti": claims["jti"],
        "kid": key.kid,
        "organization": None,
        "grant": grant.ref,
        "limits": {"requests_per_minute": 60, "tokens_per_day": 1_000_000},
    }


def test_forward_auth_lets_a_token_through_with_its_scopes(key, gateway):
    token = key.token(scope="model:infer")
    response = gateway.authorize(token)
    assert (response.status_code, response["X-Access-Scope"]) == (200, "model:infer")
    assert (response["X-Access-Key-Id"], response["X-Access-Subject"]) == (
        key.kid,
        key.credential.grant.holder.ref,
    )
    assert gateway.authorize(token, "cyber:scan").status_code == 403
    assert gateway.authorize(key.token(), "cyber:scan").status_code == 200


def test_a_long_token_fits(client):
    key = Key(client, grant__scopes=[f"capability-of-some-length:scope-{n:03}" for n in range(80)])
    gateway = Gateway(client, key.release)
    token = key.token()
    assert 4000 < len(token) < signing.LONGEST
    assert gateway.introspect(token).json()["active"] is True
    assert gateway.authorize(token, "capability-of-some-length:scope-079").status_code == 200


@pytest.mark.parametrize("spoil", [revoke, halt, change(status="retired")])
def test_the_token_of_a_dead_key_is_refused_at_the_very_next_call(key, gateway, spoil):
    token = key.token()
    assert gateway.introspect(token).json()["active"] is True
    spoil(key)
    assert gateway.introspect(token).content == b'{"active": false}'
    assert gateway.authorize(token).status_code == 401


def test_another_releases_gateway_sees_nothing(key, client):
    other = Gateway(client, ModelReleaseFactory())
    assert other.introspect(key.token()).content == b'{"active": false}'
    assert other.authorize(key.token()).status_code == 401


def altered(token, header=(), claims=(), seed=None):
    """The token with other words in it, signed with our key unless another is given."""
    head, said = unpacked(token)
    head |= dict(header)
    text = "{" + ",".join(f'"{name}":"{value}"' for name, value in head.items()) + "}"
    return signed(text, said | dict(claims), seed or OURS.seed)


EVIL = "https://evil.example/jwks.json"
WRONG = {
    "alg none": lambda t: altered(t, {"alg": "none"}),
    "alg none, unsigned": lambda t: packed({"alg": "none", "typ": "at+jwt"}, unpacked(t)[1]) + ".",
    "no signature": lambda t: t.rpartition(".")[0] + ".",
    "cut": lambda t: t[:-5],
    "not ours": lambda t: altered(t, seed=THEIRS.seed),
    "an unpublished key": lambda t: altered(t, {"kid": "theirs"}, seed=THEIRS.seed),
    "jku": lambda t: altered(t, {"jku": EVIL}, seed=THEIRS.seed),
    "jku, ours": lambda t: altered(t, {"jku": EVIL}),
    "another type": lambda t: altered(t, {"typ": "JWT"}),
    "another audience": lambda t: altered(t, claims={"aud": "https://elsewhere.example"}),
    "another issuer": lambda t: altered(t, claims={"iss": "https://elsewhere.example"}),
    "over": lambda t: altered(t, claims={"exp": 1_000_000_000}),
    "from the future": lambda t: altered(t, claims={"iat": 9_999_999_000, "exp": 9_999_999_999}),
    "nobody's key": lambda t: altered(t, claims={"client_id": secrets.new_kid()}),
    "no key": lambda t: altered(t, claims={"client_id": "' OR 1=1 --\x00"}),
    "two": lambda t: f"{t}.{t}",
    "two, with a comma": lambda t: f"{t},{t}",
    "64 kB": lambda t: t + "A" * 65_536,
    "64 kB within": lambda t: t.replace(".", "." + "A" * 65_536, 1),
    "dots": lambda _: "..",
}


@pytest.mark.parametrize("name", WRONG)
def test_no_forged_token_is_let_through(key, gateway, settings, name):
    settings.SIGNING_KEYS = (OURS,)
    token = key.token()
    assert gateway.introspect(altered(token)).json()["active"] is True  # the forger can write
    wrong = WRONG[name](token)
    told = gateway.introspect(wrong)
    inactive = (200, b'{"active": false}')
    too_long = told.status_code == 400 and len(wrong) > signing.LONGEST
    assert too_long or (told.status_code, told.content) == inactive
    assert plain(gateway.authorize(wrong)) == plain(gateway.authorize("tpk_live_junk"))


def test_more_scopes_in_a_token_than_the_key_holds_are_of_no_use(key, gateway, settings):
    """Even signed by us: what a token says narrows, and gives nothing."""
    settings.SIGNING_KEYS = (OURS,)
    token = altered(key.token(), claims={"scope": "model:infer bio:screen"})
    assert gateway.introspect(token).json()["scope"] == "model:infer"
    assert gateway.authorize(token, "bio:screen").status_code == 403


def test_an_hmac_by_the_public_key_is_no_signature(key, gateway, settings, client):
    public = client.get(JWKS).json()["keys"][0]["x"]
    head, claims = unpacked(key.token())
    for password in (public.encode(), base64.urlsafe_b64decode(public + "=")):
        content = packed(head | {"alg": "HS256"}, claims)
        mac = base64url(hmac.digest(password, content.encode(), hashlib.sha256))
        assert gateway.introspect(f"{content}.{mac}").content == b'{"active": false}'


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize("kind", ["live", "test"])
def test_the_token_of_a_test_key_is_refused_where_the_key_is(client, kind, sandbox):
    key = Key(client, kind=kind)
    gateway = Gateway(client, key.release, sandbox=sandbox)
    token, taken = key.token(), kind == "live" or sandbox
    for presented in (token, key.secret):
        assert gateway.introspect(presented).json()["active"] is taken
        assert gateway.authorize(presented).status_code == (200 if taken else 401)
    assert unpacked(token)[1]["kind"] == kind


def test_the_token_of_a_test_key_gets_an_answer_of_the_sandbox_model(client):
    key = Key(client, kind="test")
    Gateway(client, key.release)
    response = client.post(
        "/sandbox/v1/responses",
        {"model": "aurora", "input": "Hello"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {key.token()}"},
    )
    assert (response.status_code, response.json()["object"]) == (200, "response")


@pytest.fixture
def _noted_now():
    """Whatever was noted by tests before is written or gone."""
    last_use.flush_uses()


def noted(key):
    last_use.flush_uses()
    return Credential.objects.get(kid=key.kid).last_used_at is not None


@pytest.mark.usefixtures("_noted_now")
def test_an_exchange_is_a_use_of_the_key_and_a_refused_one_is_none(key):
    key.exchange(scope="bio:screen")
    assert not noted(key)
    key.exchange()
    assert noted(key)


@pytest.mark.usefixtures("_noted_now")
@pytest.mark.parametrize("door", ["introspect", "authorize"])
def test_a_token_let_through_is_a_use_of_its_key_and_hashes_nothing(
    key, gateway, monkeypatch, settings, door
):
    token = key.token()
    CredentialUse.objects.all().delete()
    monkeypatch.setattr(last_use, "_seen", {})
    pepper = settings.CREDENTIAL_PEPPERS[1]
    settings.CREDENTIAL_PEPPERS = {2: bytes(32), 1: pepper}
    getattr(gateway, door)(token)
    assert noted(key)
    assert Credential.objects.get(kid=key.kid).pepper_version == 1
    for presented in (key.secret, token):  # nor does it take the place of the key's own note
        getattr(gateway, door)(presented)
    assert noted(key)
    assert Credential.objects.get(kid=key.kid).pepper_version == 2


def test_exchanging_a_key_in_anothers_place_sets_the_end_of_that_one(key):
    old = key.credential
    new, minted = rotate_credential(kid=old.kid, by=old.grant.holder)
    key.exchange()
    assert Credential.objects.get(pk=new.pk).overlap_started_at is None
    fields = {"grant_type": "client_credentials"}
    assert key.ask(fields=fields, kid=new.kid, secret=minted.token).status_code == 200
    started = Credential.objects.get(pk=new.pk).overlap_started_at
    assert Credential.objects.get(pk=old.pk).expires_at == started + timedelta(hours=24)
