"""Libraries that are not ours, at live servers: one fetches tokens, another checks them."""

import itertools

import jwt
import pytest
import requests
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests_oauthlib import OAuth2Session

from portal.credentials.models import Credential
from portal.variables import new_signing_key
from tests.factories.credentials import make_live_key
from tests.factories.gateway import make_gateway
from tests.processes import free_port, portal_environment, web

pytestmark = pytest.mark.django_db(transaction=True)
SCOPES = ["cyber:scan", "model:infer"]
OLD, NEW = new_signing_key(), new_signing_key()
METADATA = "/.well-known/oauth-authorization-server"


@pytest.fixture(scope="module")
def portals(django_db_setup):
    """Two web processes while a signing key is replaced: the second has moved it to the front."""
    port = free_port()
    ours = portal_environment(BASE_URL=f"http://127.0.0.1:{port}")
    first = ours | {"SIGNING_KEYS": f"{OLD},{NEW}"}
    second = ours | {"SIGNING_KEYS": f"{NEW},{OLD}"}
    application = "portal.wsgi:application"
    with web(application, first, port) as one, web(application, second) as two:
        yield one, two


@pytest.fixture
def portal(portals):
    return portals[0]


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture
def key():
    return make_live_key(grant__scopes=SCOPES)


def fetch(address, key, scope=None, **how):
    """A token, as requests-oauthlib fetches it; raises what oauthlib makes of a refusal."""
    credential, secret = key
    client = BackendApplicationClient(client_id=credential.kid, scope=scope)
    with OAuth2Session(client=client) as session:
        return session.fetch_token(address, client_secret=secret, **how)


def checked(token, jwks, audience, issuer):
    """The claims, as PyJWT reads them with the keys it finds there; raises if they do not hold."""
    found = jwks.get_signing_key_from_jwt(token)
    return jwt.decode(
        token,
        found,
        algorithms=["EdDSA"],
        audience=audience,
        issuer=issuer,
        options={"require": ["exp", "iat", "sub", "client_id", "jti", "scope"]},
    )


def test_an_independent_client_finds_its_way_by_the_metadata(portal, key):
    credential, secret = key
    grant, audience = credential.grant, credential.grant.phase.release.audience
    told = requests.get(portal + METADATA, timeout=10).json()
    assert told["issuer"] == portal

    by_header = fetch(told["token_endpoint"], key)
    in_body = fetch(told["token_endpoint"], key, ["model:infer"], include_client_id=True)
    assert (by_header["expires_in"], by_header["scope"]) == (60, ["cyber:scan", "model:infer"])
    assert (in_body["token_type"], in_body["scope"]) == ("Bearer", ["model:infer"])

    jwks = jwt.PyJWKClient(told["jwks_uri"])
    claims = checked(in_body["access_token"], jwks, audience, portal)
    assert (claims["client_id"], claims["sub"]) == (credential.kid, grant.holder.ref)
    assert jwt.get_unverified_header(in_body["access_token"])["typ"] == "at+jwt"
    with pytest.raises(jwt.InvalidAudienceError):
        checked(in_body["access_token"], jwks, "https://elsewhere.example", portal)

    # What it was given is let through, and only until the key is revoked with itself.
    gateway, gateway_secret = make_gateway(grant.phase.release)

    def active(token):
        return requests.post(
            told["introspection_endpoint"],
            data={"token": token},
            auth=(gateway.client_id, gateway_secret),
            timeout=10,
        ).json()["active"]

    assert active(in_body["access_token"])
    url, headers, body = BackendApplicationClient(credential.kid).prepare_token_revocation_request(
        told["revocation_endpoint"], secret, token_type_hint=None
    )
    ended = requests.post(url, body, headers=headers, auth=(credential.kid, secret), timeout=10)
    assert ended.status_code == 200
    assert Credential.objects.get().status == "revoked"
    assert not active(in_body["access_token"])
    with pytest.raises(OAuth2Error) as refused:
        fetch(told["token_endpoint"], key)
    assert refused.value.error == "invalid_client"


def test_a_refusal_is_one_the_library_knows(portal, key):
    with pytest.raises(OAuth2Error) as refused:
        fetch(f"{portal}/oauth/token", key, ["bio:screen"])
    assert refused.value.error == "invalid_scope"
    with pytest.raises(OAuth2Error) as refused:
        fetch(f"{portal}/oauth/token", (key[0], key[1][:-1]))
    assert refused.value.error == "invalid_client"


def test_a_signing_key_is_replaced_under_traffic(portals, key):
    """Whichever process signs, every process and every verifier knows the key."""
    release = key[0].grant.phase.release
    gateway, secret = make_gateway(release)
    # This verifier fetched the keys once, before the new one signed, and asks no more.
    verifier = jwt.PyJWKClient(portals[0] + "/.well-known/jwks.json", lifespan=3600)
    assert len(verifier.get_signing_keys()) == 2

    signers = set()
    for signing, asked in itertools.product(portals, portals):
        token = fetch(f"{signing}/oauth/token", key)["access_token"]
        signers.add(jwt.get_unverified_header(token)["kid"])
        assert checked(token, verifier, release.audience, portals[0])["scope"] == " ".join(SCOPES)
        said = requests.post(
            f"{asked}/oauth/introspect",
            data={"token": token},
            auth=(gateway.client_id, secret),
            timeout=10,
        )
        assert said.json()["active"] is True
    assert signers == {OLD.partition(":")[0], NEW.partition(":")[0]}
