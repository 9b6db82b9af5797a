"""What anybody may read of the OAuth doors, as clients see it."""

import pytest
from django.utils import timezone

from tests.edges.programs import (
    JWKS,
    METADATA,
    OURS,
    THEIRS,
)
from tests.factories.programs import CapabilityFactory, ModelReleaseFactory

pytestmark = pytest.mark.django_db


# --- What anybody may read ----------------------------------------------------------------------


def test_the_public_halves(client, settings):
    settings.SIGNING_KEYS = (OURS, THEIRS)
    response = client.get(JWKS)
    assert response["Content-Type"] == "application/jwk-set+json"
    assert response["Cache-Control"] == "public, max-age=300"
    keys = response.json()["keys"]
    members = {"kty", "crv", "x", "kid", "use", "alg"}
    assert [set(each) for each in keys] == [members] * 2
    assert [each["kid"] for each in keys] == ["ours", "theirs"]
    assert {(each["kty"], each["crv"], each["use"], each["alg"]) for each in keys} == {
        ("OKP", "Ed25519", "sig", "EdDSA")
    }


def test_the_metadata(client, settings):
    settings.BASE_URL = "https://portal.example.org"
    release = ModelReleaseFactory(published_at=timezone.now())
    for scope in ("model:infer", "cyber:scan"):
        CapabilityFactory(release=release, scope=scope)
    CapabilityFactory(release=ModelReleaseFactory(published_at=None), scope="bio:screen")
    response = client.get(METADATA)
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "public, max-age=300"
    assert response.json() == {
        "issuer": "https://portal.example.org",
        "token_endpoint": "https://portal.example.org/oauth/token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "introspection_endpoint": "https://portal.example.org/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "revocation_endpoint": "https://portal.example.org/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "jwks_uri": "https://portal.example.org/.well-known/jwks.json",
        "status_list_aggregation_endpoint": "https://portal.example.org/gateway/status-lists",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": ["cyber:scan", "model:infer"],
    }


@pytest.mark.parametrize("address", [JWKS, METADATA])
def test_they_are_only_read(client, address):
    assert client.head(address).status_code == 200
    for method in ("post", "put", "patch", "delete", "options"):
        response = getattr(client, method)(address)
        assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
