"""Introspection, and what both doors have in common, as machines see them."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.credentials import secrets
from portal.credentials.enums import CredentialStatus
from portal.credentials.models import Credential
from portal.credentials.services import rotate_credential
from portal.gateway import tokens
from tests.edges.doors import AUTHORIZE, FORM, INTROSPECT, Key
from tests.edges.programs import plain
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.gateway import basic, make_gateway
from tests.factories.programs import ModelReleaseFactory
from tests.log import events_about

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(client):
    return Key(client, grant__application__organization=OrganizationFactory())


# --- Introspection ----------------------------------------------------------------------------


def test_an_active_key_is_described(key, settings):
    response = key.introspect()
    credential = Credential.objects.get(pk=key.credential.pk)
    grant = credential.grant
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response.json() == {
        "active": True,
        "scope": "model:infer",
        "client_id": credential.kid,
        "token_type": "Bearer",
        "exp": int(credential.expires_at.timestamp()),
        "iat": int(credential.claimed_at.timestamp()),
        "sub": grant.holder.ref,
        "aud": grant.phase.release.audience,
        "iss": settings.BASE_URL,
        "jti": credential.kid,
        "kid": credential.kid,
        "organization": grant.organization.ref,
        "grant": grant.ref,
        "limits": {"requests_per_minute": 60, "tokens_per_day": 1_000_000},
    }


def test_every_inactive_key_gets_the_same_bytes(key):
    answers = [key.introspect(token) for token in key.others()]
    assert {answer.content for answer in answers} == {b'{"active": false}'}
    assert [plain(answer) for answer in answers] == [plain(answers[0])] * len(answers)
    assert answers[0]["Cache-Control"] == "no-store"


def test_a_revoked_key_is_inactive_at_the_very_next_call(key):
    assert key.introspect().json()["active"] is True
    Credential.objects.filter(pk=key.credential.pk).update(
        status=CredentialStatus.REVOKED, revoked_at=timezone.now(), revoked_by=UserFactory()
    )
    assert key.introspect().content == b'{"active": false}'


def test_an_expired_key_is_inactive_without_any_job(key):
    Credential.objects.filter(pk=key.credential.pk).update(
        expires_at=timezone.now() - timedelta(milliseconds=1)
    )
    assert key.introspect().content == b'{"active": false}'


def test_no_session_and_no_cookie(key):
    response = key.introspect()
    assert (dict(response.cookies), response.get("Vary")) == ({}, None)


@pytest.mark.parametrize("credentials", [None, "Basic x", "wrong", "disabled", "bearer"])
def test_an_unknown_caller_learns_nothing(key, client, credentials):
    header = {
        "wrong": basic(key.gateway.client_id, "wrong"),
        "bearer": f"Bearer {key.token}",
        "disabled": key.basic,
    }.get(credentials, credentials)
    if credentials == "disabled":
        key.gateway.disabled_at, key.gateway.disabled_by = timezone.now(), UserFactory()
        key.gateway.save()
    headers = {"Authorization": header} if header else {}
    response = client.post(
        INTROSPECT, urlencode({"token": key.token}), content_type=FORM, headers=headers
    )
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Basic realm="gateway", charset="UTF-8"'
    assert response.json()["error"] == "invalid_client"


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_only_post(client, method):
    response = getattr(client, method)(INTROSPECT)
    assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("", FORM),
        ("token=", FORM),
        ("other=1", FORM),
        ("token=a&token=b", FORM),
        ("token=a", "text/plain"),
        ('{"token": "a"}', "application/json"),
        ("&".join(f"f{n}=1" for n in range(30)) + "&token=a", FORM),
        ("token=" + "a" * 17_000, FORM),
        (b"token=\xff\xfe", FORM),
    ],
)
def test_a_malformed_request_is_told_so(key, client, body, content_type):
    response = client.post(
        INTROSPECT, body, content_type=content_type, headers={"Authorization": key.basic}
    )
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert response["Cache-Control"] == "no-store"


def test_a_hint_and_a_charset_are_fine(key, client):
    response = client.post(
        INTROSPECT,
        urlencode({"token": key.token, "token_type_hint": "access_token"}),
        content_type=f"{FORM}; charset=utf-8",
        headers={"Authorization": key.basic},
    )
    assert response.json()["active"] is True


def test_a_token_in_the_address_is_refused_and_noted_once(key, client):
    for _ in range(2):
        response = client.post(
            f"{INTROSPECT}?token={key.token}",
            urlencode({"token": key.token}),
            content_type=FORM,
            headers={"Authorization": key.basic},
        )
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    (event,) = events_about(key.credential.kid)
    assert (event.kind, event.payload) == ("credential.leak_suspected", {"place": "query"})
    assert key.token not in repr(vars(event))


# --- When things fail --------------------------------------------------------------------------


@pytest.fixture
def no_database(key):
    """Every statement fails as it does when the server is gone."""
    from django.db import OperationalError  # noqa: PLC0415

    def gone(execute, sql, params, many, context):
        raise OperationalError("server closed the connection unexpectedly: secret detail")

    with connection.execute_wrapper(gone):
        yield


def test_no_database_is_503_and_never_yes(key, no_database):
    for response in (key.introspect(), key.authorize()):
        assert response.status_code == 503
        assert response.json()["error"] == "temporarily_unavailable"
        assert (response["Retry-After"], response["Cache-Control"]) == ("2", "no-store")
        assert b"secret detail" not in response.content


def test_a_visitors_cookie_does_not_matter(key, client, no_database):
    client.cookies["sessionid"] = "a" * 32
    assert (key.introspect().status_code, key.authorize().status_code) == (503, 503)


@pytest.mark.parametrize("door", ["introspect", "authorize"])
def test_a_defect_of_ours_is_a_plain_500(key, monkeypatch, caplog, door, settings):
    settings.DEBUG = True

    def broken(*args, **kwargs):
        raise RuntimeError("a defect with detail")

    monkeypatch.setattr(tokens, "verify", broken)
    response = getattr(key, door)()
    assert response.status_code == 500
    assert response.json()["error"] == "server_error"
    assert b"detail" not in response.content
    assert "a defect with detail" in caplog.text


# --- Anything at all -----------------------------------------------------------------------------

ANYTHING = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HEADER = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=200)


@ANYTHING
@given(body=st.binary(max_size=300), kind=st.sampled_from([FORM, "text/plain", "", "a/b; c=\xff"]))
def test_introspection_takes_any_body(key, body, kind):
    response = key.client.post(
        INTROSPECT, body, content_type=kind, headers={"Authorization": key.basic}
    )
    assert response.status_code in {200, 400}
    assert response.json().get("active") is not True


@ANYTHING
@given(token=st.binary(max_size=120))
def test_introspection_takes_any_token(key, token):
    body = b"token=" + b"".join(b"%%%02x" % byte for byte in token)
    response = key.client.post(
        INTROSPECT, body, content_type=FORM, headers={"Authorization": key.basic}
    )
    assert response.status_code in {200, 400}
    assert response.json().get("active") is not True


@ANYTHING
@given(gateway=HEADER, authorization=HEADER, scope=HEADER, query=HEADER)
def test_forward_auth_takes_any_header(key, gateway, authorization, scope, query):
    for basic_or_junk in (key.basic, gateway):
        response = key.client.get(
            AUTHORIZE,
            headers={
                "X-Gateway-Authorization": basic_or_junk,
                "Authorization": authorization,
                "X-Required-Scope": scope,
            },
            QUERY_STRING=query,
        )
        assert response.status_code in {400, 401, 429}
    assert response.status_code in {401, 429}  # this many wrong ones are too many


def test_another_releases_gateway_sees_nothing(key, client):
    gateway, secret = make_gateway(ModelReleaseFactory(), name="Elsewhere")
    key.basic = basic(gateway.client_id, secret)
    assert key.introspect().content == b'{"active": false}'
    assert key.authorize().status_code == 401


def test_a_machines_address_that_does_not_exist_is_404(client):
    assert client.get("/sandbox/v1/nothing").status_code == 404


# --- Too many failures ------------------------------------------------------------------------

WRONG = {"Authorization": "Basic eDp5"}


def fail(client, times, **extra):
    return [client.post(INTROSPECT, headers=WRONG, **extra) for _ in range(times)]


def test_failing_too_often_is_told_from_one_address_only_and_good_gateways_pass(key, client):
    answers = fail(client, 60)
    assert {answer.status_code for answer in answers} == {401}
    late = fail(client, 1)[0]
    if late.status_code == 401:  # a new minute began in between
        late = fail(client, 60)[-1]
    assert (late.status_code, late.json()["error"]) == (429, "too_many_requests")
    assert 0 < int(late["Retry-After"]) <= 60
    assert late["Cache-Control"] == "no-store"
    assert client.get(f"{AUTHORIZE}?scope=model:infer").status_code == 429
    assert key.introspect().json()["active"] is True
    assert key.authorize().status_code == 200
    assert fail(client, 1, REMOTE_ADDR="192.0.2.7")[0].status_code == 401


def test_what_good_gateways_ask_is_not_counted(key, client):
    assert {key.introspect("tpk_live_junk").status_code for _ in range(61)} == {200}
    assert fail(client, 1)[0].status_code == 401


@pytest.mark.django_db(transaction=True)
def test_without_a_cache_each_process_counts_by_itself(client, settings):
    """The table is not there: who fails gets the plain answer, and is limited all the same."""
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "a_table_that_does_not_exist"}
    }
    answers = [answer.status_code for answer in fail(client, 61)]
    assert answers == [401] * 60 + [429]


# --- Plain http -------------------------------------------------------------------------------


def test_machines_are_not_sent_to_https_and_pages_are(settings):
    settings.SECURE_SSL_REDIRECT = True
    client = Client()
    machines = ["/healthz", "/readyz", "/oauth/introspect", "/gateway/authorize"]
    machines += ["/oauth/token", "/oauth/revoke", "/.well-known/jwks.json"]
    machines += ["/.well-known/oauth-authorization-server"]
    said = {path: client.get(path).status_code for path in [*machines, "/gateway/authorize/v1/x"]}
    assert 301 not in said.values()
    pages = ["/", "/admin/", "/gateway/authorized", "/oauth/introspect/"]
    assert {client.get(path).status_code for path in pages} == {301}


# --- Kinds of keys, and one in place of another ------------------------------------------------


@pytest.mark.parametrize("kind", ["live", "test"])
@pytest.mark.parametrize("sandbox", [False, True])
def test_a_sandbox_takes_both_kinds_and_others_live_keys_only(client, kind, sandbox):
    key = Key(client, kind=kind, sandbox=sandbox)
    taken = kind == "live" or sandbox
    assert key.introspect().json()["active"] is taken
    assert key.authorize().status_code == (200 if taken else 401)


@pytest.mark.parametrize("door", ["introspect", "authorize"])
def test_the_first_use_of_a_key_in_anothers_place_sets_the_end_of_that_one(key, door):
    old = key.credential
    new, minted = rotate_credential(kid=old.kid, by=old.grant.holder)
    getattr(key, door)()
    getattr(key, door)(token=secrets.mint(new.kid).token)
    key.authorize(token=minted.token, query="?scope=cyber:scan")  # refused is not used
    assert Credential.objects.get(pk=old.pk).expires_at == old.expires_at
    for _ in range(2):
        getattr(key, door)(token=minted.token)
    started = Credential.objects.get(pk=new.pk).overlap_started_at
    assert Credential.objects.get(pk=old.pk).expires_at == started + timedelta(hours=24)
    assert [event.kind for event in events_about(old.kid)].count("credential.overlap_started") == 1
