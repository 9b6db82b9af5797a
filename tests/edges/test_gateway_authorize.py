"""Forward-auth, as machines see it."""

import pytest

from portal.credentials import secrets
from portal.credentials.enums import CredentialStatus
from portal.credentials.models import Credential
from tests.edges.doors import AUTHORIZE, Key
from tests.edges.programs import plain
from tests.factories.accounts import OrganizationFactory
from tests.factories.gateway import basic
from tests.log import events_about

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(client):
    return Key(client, grant__application__organization=OrganizationFactory())


# --- Forward-auth -----------------------------------------------------------------------------


def access(response):
    return {k: v for k, v in response.headers.items() if k.startswith("X-Access-")}


def test_a_good_key_is_allowed_with_the_identity_in_headers(key):
    response = key.authorize()
    grant = key.credential.grant
    assert (response.status_code, response.content) == (200, b"")
    assert response["Cache-Control"] == "no-store"
    assert access(response) == {
        "X-Access-Subject": grant.holder.ref,
        "X-Access-Organization": grant.organization.ref,
        "X-Access-Key-Id": key.credential.kid,
        "X-Access-Grant": grant.ref,
        "X-Access-Scope": "model:infer",
        "X-Access-Requests-Per-Minute": "60",
        "X-Access-Tokens-Per-Day": "1000000",
    }


def test_no_header_is_ever_left_out_or_empty(client):
    # Some gateways leave the client's own header in place when ours is missing.
    alone = Key(client).authorize()
    assert alone["X-Access-Organization"] == "-"
    assert len(access(alone)) == 7
    assert all(access(alone).values())


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_any_method_will_do(key, client, method):
    response = getattr(client, method)(
        f"{AUTHORIZE}?scope=model:infer",
        headers={"X-Gateway-Authorization": key.basic, "Authorization": f"bearer {key.token}"},
    )
    assert response.status_code == 200


def test_every_useless_key_gets_the_same_bytes(key):
    answers = [key.authorize(token) for token in key.others()]
    assert [plain(answer) for answer in answers] == [plain(answers[0])] * len(answers)
    assert answers[0].status_code == 401
    assert answers[0]["WWW-Authenticate"] == (
        'Bearer realm="trusted-access", error="invalid_token"'
    )
    assert access(answers[0]) == {}


def test_without_a_key_nothing_is_said_to_be_wrong_with_it(key):
    response = key.authorize(Authorization=None)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="trusted-access"'


def test_a_missing_scope_is_403(key):
    response = key.authorize(query="?scope=cyber:scan")
    assert response.status_code == 403
    assert response["WWW-Authenticate"] == (
        'Bearer realm="trusted-access", error="insufficient_scope", scope="cyber:scan"'
    )
    assert access(response) == {}


def test_a_dead_key_without_the_scope_is_401(key):
    Credential.objects.filter(pk=key.credential.pk).update(status=CredentialStatus.RETIRED)
    assert key.authorize(query="?scope=cyber:scan").status_code == 401


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("", "model:infer", 200),
        ("?scope=model:infer", "model:infer", 200),
        ("?scope=model:infer%20model:infer", None, 200),
        ("?scope=model:infer", "cyber:scan", 403),  # a client's own header only narrows
        ("?scope=cyber:scan", "model:infer", 403),
        ("?scope=model:infer&scope=cyber:scan", None, 403),
        ("", None, 400),
        ("?scope=", None, 400),
        ("?scope=%20", "", 400),
        ("?scope=*", None, 400),
        ("?scope=model:*", None, 400),
        ("?scope=model:infer%0A", None, 400),
        ("?scope=model:infer%00", None, 400),
        ("?scope=model:infer,cyber:scan", None, 400),
        ("?scope=model:infer", "model:infer, model:infer", 400),
        ("?" + "&".join(f"a{n}=1" for n in range(2000)), None, 400),
    ],
)
def test_the_scope_must_be_named(key, query, header, status):
    headers = {"X_Required_Scope": header} if header is not None else {}
    assert key.authorize(query=query, **headers).status_code == status


def test_envoy_appends_the_clients_path_and_only_the_header_counts(key):
    path = "/v1/responses?scope=model:infer"
    assert key.authorize(query=path).status_code == 400
    assert key.authorize(query=path, X_Required_Scope="cyber:scan").status_code == 403
    assert (
        key.authorize(query="/?scope=cyber:scan", X_Required_Scope="model:infer").status_code == 200
    )


@pytest.mark.parametrize("credentials", [None, "Basic x", "wrong"])
def test_a_gateway_must_say_who_it_is(key, credentials):
    header = basic(key.gateway.client_id, "x") if credentials == "wrong" else credentials
    response = key.authorize(X_Gateway_Authorization=header)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Basic ")
    assert access(response) == {}


@pytest.mark.parametrize(
    "header",
    [
        "Bearer {token}, Bearer {token}",
        "Bearer {token},Bearer x",
        "Bearer {token} {token}",
        "Bearer {token}" + "a" * 65_536,
        "Bearer",
        "Bearer ",
        "{token}",
        "Token {token}",
        "Basic {token}",
        "",
        "Bearer tpk_live_\xff",
    ],
)
def test_any_other_authorization_is_refused(key, header):
    response = key.authorize(Authorization=header.format(token=key.token))
    assert response.status_code == 401
    assert response["WWW-Authenticate"].endswith('error="invalid_token"')


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("query", None),
        ("cookie", "Cookie"),
        ("original_uri", "X-Original-URI"),
        ("forwarded_uri", "X-Forwarded-Uri"),
    ],
)
@pytest.mark.parametrize("spelt", [str, lambda token: token.replace("_", "%5f")])
def test_a_key_where_logs_keep_it_is_refused_and_noted(key, place, name, spelt):
    query = "?scope=model:infer" + (f"&key={spelt(key.token)}" if place == "query" else "")
    headers = {name.replace("-", "_"): f"/v1?key={spelt(key.token)}%20x"} if name else {}
    response = key.authorize(query=query, **headers)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].endswith('error="invalid_request"')
    (event,) = events_about(key.credential.kid)
    assert (event.kind, event.payload) == ("credential.leak_suspected", {"place": place})


def test_a_made_up_key_in_an_address_accuses_nobody(key):
    forged = secrets.mint(key.credential.kid).token
    assert key.authorize(query=f"?scope=model:infer&key={forged}").status_code == 401
    assert list(events_about(key.credential.kid)) == []
