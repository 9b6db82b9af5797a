"""Exchanging a key, as clients see it."""

import base64
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.credentials import secrets
from portal.credentials.models import Credential
from portal.gateway import oauth_views
from portal.gateway.views import CODE
from tests.edges.programs import (
    FORM,
    JWKS,
    NO_USE,
    REFUSED,
    REVOKE,
    SCOPES,
    TOKEN,
    Key,
    plain,
    post,
    refusal,
)
from tests.factories.gateway import basic
from tests.factories.programs import ModelReleaseFactory
from tests.factories.tokens import unpacked
from tests.log import events_about
from tests.queries import no_database

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(client):
    return Key(client)


# --- Exchange -----------------------------------------------------------------------------------


def test_a_key_becomes_a_token_of_a_minute_with_all_it_holds(key):
    response = key.exchange()
    said = response.json()
    _header, claims = unpacked(said.pop("access_token"))
    assert said == {"token_type": "Bearer", "expires_in": 60, "scope": "cyber:scan model:infer"}
    assert (response.status_code, claims["client_id"]) == (200, key.kid)
    assert claims["exp"] - claims["iat"] == 60
    assert (response["Cache-Control"], response["Pragma"]) == ("no-store", "no-cache")
    assert (dict(response.cookies), response.get("Vary")) == ({}, None)


def test_the_key_may_stand_in_the_body_instead(key, client):
    fields = {"client_id": key.kid, "client_secret": key.secret, "grant_type": "client_credentials"}
    assert post(client, TOKEN, fields).json()["expires_in"] == 60


def test_each_half_of_basic_may_be_written_as_in_a_form(key, client):
    whole = f"{key.kid}:{key.secret}".replace("_", "%5F")
    header = "basic " + base64.b64encode(whole.encode()).decode()
    fields = {"grant_type": "client_credentials"}
    assert post(client, TOKEN, fields, Authorization=header).status_code == 200


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("model:infer", "model:infer"),
        ("model:infer cyber:scan", "cyber:scan model:infer"),
        ("model:infer  model:infer ", "model:infer"),
        ("", "cyber:scan model:infer"),  # a field without a value is as good as none
    ],
)
def test_scopes_may_be_fewer(key, asked, given):
    response = key.exchange(scope=asked)
    assert (response.status_code, response.json()["scope"]) == (200, given)
    assert unpacked(response.json()["access_token"])[1]["scope"] == given


@pytest.mark.parametrize(
    "asked",
    [
        "bio:screen",
        "model:infer bio:screen",
        "*",
        "model:*",
        "MODEL:INFER",
        "model:infer\n",
        "model:infer\x00",
        "model:infer,cyber:scan",
        "openid",
        " ",
        "\uff4dodel:infer",  # as wide as two letters
    ],
)
def test_and_never_more(key, asked):
    assert refusal(key.exchange(scope=asked)) == (400, "invalid_scope")


def test_what_the_key_or_the_grant_does_not_hold_is_not_to_be_had(client):
    less = Key(client, scopes=["model:infer"])
    assert refusal(less.exchange(scope="cyber:scan")) == (400, "invalid_scope")
    assert less.exchange().json()["scope"] == "model:infer"
    type(less.credential.grant).objects.update(scopes=["cyber:scan"])
    assert refusal(less.exchange()) == (400, "invalid_scope")


def test_a_token_is_no_key_and_cannot_be_exchanged_for_more(key):
    token = key.token(scope="model:infer")
    assert refusal(key.ask(fields={"grant_type": "client_credentials"}, secret=token)) == (
        401,
        "invalid_client",
    )


def test_the_model_may_be_named_and_must_be_the_keys_own(key):
    assert key.exchange(resource=key.release.audience).status_code == 200
    elsewhere = ModelReleaseFactory().audience
    for resource in (elsewhere, key.release.audience + "/", "x"):
        answer = key.exchange(resource=resource)
        assert refusal(answer) == (400, "invalid_target")
        assert answer.wsgi_request.META[CODE] == "wrong_audience"  # what is counted and logged


def test_it_never_outlives_the_key(key):
    Credential.objects.update(expires_at=timezone.now() + timedelta(seconds=20))
    assert 18 <= key.exchange().json()["expires_in"] <= 20


def test_every_key_of_no_use_gets_the_same_bytes(client):
    answers = []
    for spoil in NO_USE.values():
        key = Key(client)
        assert key.exchange().status_code == 200
        spoil(key)
        answers.append(key.exchange())
    assert [plain(answer) for answer in answers] == [plain(answers[0])] * len(NO_USE)
    assert (refusal(answers[0]), answers[0]["WWW-Authenticate"]) == (
        (401, "invalid_client"),
        REFUSED,
    )
    # Whatever else is wrong with what it asks.
    assert plain(key.exchange(scope="bio:screen", resource="x")) == plain(answers[0])


@pytest.mark.parametrize("header", [None, "", "Basic", "Basic !", "Bearer {secret}", "{secret}"])
def test_a_key_must_be_presented(key, client, header):
    headers = {} if header is None else {"Authorization": header.format(secret=key.secret)}
    response = post(client, TOKEN, {"grant_type": "client_credentials"}, **headers)
    assert (refusal(response), response["WWW-Authenticate"]) == ((401, "invalid_client"), REFUSED)


def test_one_way_to_present_it_at_a_time(key):
    for more in (
        {"client_secret": key.secret},
        {"client_secret": "wrong", "client_id": key.kid},
        {"client_id": secrets.new_kid()},
    ):
        assert refusal(key.exchange(**more)) == (400, "invalid_request")
    # Only its id a second time is what some libraries send, and says nothing new.
    assert key.exchange(client_id=key.kid).status_code == 200


@pytest.mark.parametrize("address", [TOKEN, REVOKE])
@pytest.mark.parametrize(
    "name", ["grant_type", "scope", "resource", "client_id", "token", "other", ""]
)
def test_nothing_comes_twice(key, address, name):
    fields = [("grant_type", "client_credentials"), ("token", key.secret), (name, "a"), (name, "a")]
    assert refusal(key.ask(address, fields)) == (400, "invalid_request")
    assert refusal(key.ask(address, [*fields[:2], (name, ""), (name, "a")])) == (
        400,
        "invalid_request",
    )
    assert key.state() == "active"


def test_two_headers_are_none(key):
    known = basic(key.kid, key.secret)
    fields = {"grant_type": "client_credentials"}
    for header in (f"{known}, {known}", f"{known},Basic x", f"{known} {known}"):
        assert refusal(key.ask(fields=fields, Authorization=header)) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("grant_type", "error"),
    [
        ("", "invalid_request"),
        ("password", "unsupported_grant_type"),
        ("authorization_code", "unsupported_grant_type"),
        ("refresh_token", "unsupported_grant_type"),
        ("Client_Credentials", "unsupported_grant_type"),
    ],
)
def test_one_grant_type(key, grant_type, error):
    assert refusal(key.exchange(grant_type=grant_type)) == (400, error)


@pytest.mark.parametrize("address", [TOKEN, REVOKE])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"grant_type=client_credentials", "text/plain"),
        (b"grant_type=client_credentials", ""),
        (b'{"grant_type": "client_credentials"}', "application/json"),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        (b"grant_type=\xff", FORM),
        (b"&".join(b"f%d=1" % n for n in range(30)), FORM),
        (b"grant_type=client_credentials&a=" + b"a" * 17_000, FORM),
        (b"grant_type=client_credentials&a=" + b"a" * 3_000_000, FORM),
    ],
)
def test_a_malformed_request_is_told_so(key, client, address, body, content_type):
    headers = {"Authorization": basic(key.kid, key.secret)}
    response = client.post(address, body, content_type=content_type, headers=headers)
    assert refusal(response) == (400, "invalid_request")
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", [TOKEN, REVOKE])
@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_only_post(client, address, method):
    response = getattr(client, method)(address)
    assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.parametrize("address", [TOKEN, REVOKE])
@pytest.mark.parametrize("place", ["query", "cookie", "original_uri"])
def test_a_key_where_logs_keep_it_is_refused_and_noted(key, client, address, place):
    headers = {"Authorization": basic(key.kid, key.secret)}
    headers |= {"cookie": {"Cookie": f"k={key.secret}"}}.get(place, {})
    headers |= {"original_uri": {"X-Original-URI": f"/?k={key.secret}"}}.get(place, {})
    query = f"?client_secret={key.secret}" if place == "query" else ""
    fields = {"grant_type": "client_credentials", "token": key.secret}
    for method in ("post", "get"):
        body = {"data": urlencode(fields), "content_type": FORM} if method == "post" else {}
        response = getattr(client, method)(address + query, headers=headers, **body)
        assert response.json()["error"] == "invalid_request"
    (event,) = events_about(key.kid)
    assert (event.kind, event.payload) == ("credential.leak_suspected", {"place": place})
    assert key.state() == "active"


def test_nothing_at_all_may_stand_in_the_address(key, client):
    response = client.post(
        f"{TOKEN}?a=b",
        urlencode({"grant_type": "client_credentials"}),
        content_type=FORM,
        headers={"Authorization": basic(key.kid, key.secret)},
    )
    assert refusal(response) == (400, "invalid_request")


@pytest.mark.parametrize("address", [TOKEN, REVOKE])
def test_junk_costs_the_database_nothing(key, address, django_assert_num_queries):
    fields = {"grant_type": "client_credentials", "token": "junk"}
    with django_assert_num_queries(0):
        for junk in ("junk", key.secret[:-1] + "_", key.secret + "0"):
            assert key.ask(address, fields, secret=junk).status_code == 401


def test_who_fails_too_often_is_told_and_good_keys_pass(key, client):
    def fail(times, **extra):
        fields = {"data": "grant_type=client_credentials", "content_type": FORM}
        return [client.post(TOKEN, **fields, **extra) for _ in range(times)][-1]

    late = fail(61)
    if late.status_code == 401:  # a new minute began in between
        late = fail(61)
    assert refusal(late) == (429, "too_many_requests")
    assert 0 < int(late["Retry-After"]) <= 60
    assert key.exchange().status_code == 200
    assert fail(1, REMOTE_ADDR="192.0.2.7").status_code == 401


# --- When things fail ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_no_database_is_503_and_the_public_keys_are_there_all_the_same(key, client):
    with no_database():
        for response in (key.exchange(), key.revoke()):
            assert refusal(response) == (503, "temporarily_unavailable")
            assert b"127.0.0.1" not in response.content
        assert client.get(JWKS).status_code == 200
    assert key.state() == "active"


def test_a_defect_of_ours_is_a_plain_500(key, monkeypatch, caplog):
    def broken(*args, **kwargs):
        raise RuntimeError(f"a defect with {key.secret}")

    monkeypatch.setattr(oauth_views, "decide", broken)
    response = key.exchange()
    assert refusal(response) == (500, "server_error")
    assert b"defect" not in response.content
    assert "a defect with" in caplog.text


# --- Anything at all ------------------------------------------------------------------------------

ANYTHING = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXT = st.text(max_size=60)
NAMES = st.sampled_from(
    ["grant_type", "scope", "resource", "client_id", "client_secret", "token", "x"]
)


@ANYTHING
@given(
    address=st.sampled_from([TOKEN, REVOKE]),
    fields=st.lists(st.tuples(NAMES, TEXT | st.just("client_credentials")), max_size=6),
    header=st.none()
    | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=200),
)
def test_without_a_genuine_key_nothing_is_given(key, address, fields, header):
    headers = {} if header is None else {"Authorization": header}
    response = post(key.client, address, fields, **headers)
    assert response.status_code in {400, 401, 429}
    assert set(response.json()) == {"error", "error_description"}


@ANYTHING
@given(fields=st.dictionaries(NAMES, TEXT, max_size=6))
def test_with_one_no_more_than_it_holds(key, fields):
    response = key.exchange(**fields)
    assert response.status_code in {200, 400}
    if response.status_code == 200:
        assert set(response.json()["scope"].split()) <= set(SCOPES)


@ANYTHING
@given(body=st.binary(max_size=300), kind=st.sampled_from([FORM, "text/plain", "", "a/b; c=\xff"]))
def test_any_body_will_do(key, body, kind):
    response = key.client.post(TOKEN, body, content_type=kind)
    assert response.status_code in {400, 401, 429}
