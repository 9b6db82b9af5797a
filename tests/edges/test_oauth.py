"""The OAuth doors as clients see them: exchange, revocation, and what tokens are checked with."""

import base64
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.audit.selectors import events_about
from portal.credentials import secrets
from portal.credentials.models import Credential
from portal.gateway import oauth_views, signing
from portal.mail.models import OutgoingMail
from portal.variables import SigningSeed
from tests.factories.accounts import UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway
from tests.factories.programs import CapabilityFactory, ModelReleaseFactory
from tests.factories.tokens import base64url, packed, signed, unpacked

pytestmark = pytest.mark.django_db

TOKEN, REVOKE, INTROSPECT = "/oauth/token", "/oauth/revoke", "/oauth/introspect"
JWKS, METADATA = "/.well-known/jwks.json", "/.well-known/oauth-authorization-server"
FORM = "application/x-www-form-urlencoded"
SCOPES = ["cyber:scan", "model:infer"]
REFUSED = 'Basic realm="keys", charset="UTF-8"'


class Key:
    """A live key and what its holder's program can ask with it."""

    def __init__(self, client, **fields):
        self.client = client
        self.credential, self.secret = make_live_key(**{"grant__scopes": SCOPES} | fields)
        self.kid, self.release = self.credential.kid, self.credential.grant.phase.release

    def ask(self, address=TOKEN, fields=(), kid=None, secret=None, **headers):
        """By HTTP Basic; `fields` are pairs or a dict."""
        known = basic(kid or self.kid, self.secret if secret is None else secret)
        headers = {"Authorization": known} | headers
        return post(self.client, address, fields, **headers)

    def exchange(self, **fields):
        return self.ask(fields={"grant_type": "client_credentials"} | fields)

    def revoke(self, token=None, **fields):
        token = self.secret if token is None else token
        return self.ask(REVOKE, {"token": token} | fields)

    def token(self, **fields):
        return self.exchange(**fields).json()["access_token"]

    def state(self):
        return Credential.objects.get(kid=self.kid).status


def post(client, address, fields, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(address, urlencode(fields), content_type=FORM, headers=headers)


@pytest.fixture
def key(client):
    return Key(client)


class Gateway:
    """Of the key's release unless told another; asks about tokens."""

    def __init__(self, client, release):
        self.client, self.audience = client, release.audience
        gateway, secret = make_gateway(release, name=f"At {release.slug}")
        self.basic = basic(gateway.client_id, secret)

    def introspect(self, token):
        return post(self.client, INTROSPECT, {"token": token}, Authorization=self.basic)

    def authorize(self, token, scope="model:infer"):
        headers = {"Authorization": f"Bearer {token}", "X-Gateway-Authorization": self.basic}
        return self.client.get(f"/gateway/authorize?scope={scope}", headers=headers)


@pytest.fixture
def gateway(client, key):
    return Gateway(client, key.release)


def plain(response):
    """Everything about an answer but the id that differs each time."""
    headers = {k: v for k, v in response.headers.items() if k != "X-Request-Id"}
    return response.status_code, headers, response.content


def refusal(response):
    return response.status_code, response.json()["error"]


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
        assert refusal(key.exchange(resource=resource)) == (400, "invalid_target")


def test_it_never_outlives_the_key(key):
    Credential.objects.update(expires_at=timezone.now() + timedelta(seconds=20))
    assert 18 <= key.exchange().json()["expires_in"] <= 20


def change(**fields):
    return lambda key: Credential.objects.filter(pk=key.credential.pk).update(**fields)


def halt(key):
    phase = key.credential.grant.phase
    phase.halted_at, phase.halted_by = timezone.now(), UserFactory()
    phase.save()


def revoke(key):
    change(status="revoked", revoked_at=timezone.now(), revoked_by=UserFactory())(key)


NO_USE = {
    "unknown": lambda key: setattr(key, "secret", secrets.mint(secrets.new_kid()).token),
    "wrong": lambda key: setattr(key, "secret", secrets.mint(key.kid).token),
    "of another": lambda key: setattr(key, "secret", make_live_key()[1]),
    "under another id": lambda key: setattr(key, "kid", make_live_key()[0].kid),
    "junk": lambda key: setattr(key, "secret", "tpk_live_junk"),
    "its id again": lambda key: setattr(key, "secret", key.kid),
    "revoked": revoke,
    "expired": change(expires_at=timezone.now() - timedelta(seconds=1)),
    "retired": change(status="retired"),
    "suspended": lambda key: type(key.credential.grant).objects.update(status="suspended"),
    "halted": halt,
}


def test_every_key_of_no_use_gets_the_same_bytes(client):
    answers = []
    for spoil in NO_USE.values():
        key = Key(client)
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


def test_one_statement_for_a_token_and_junk_is_looked_up_nowhere(
    key, client, django_assert_num_queries
):
    with django_assert_num_queries(1):
        assert key.exchange().status_code == 200
    fields = {"grant_type": "client_credentials"}
    with CaptureQueriesContext(connection) as asked:
        assert key.ask(fields=fields, secret="junk").status_code == 401
    assert [each["sql"] for each in asked if "credentials_" in each["sql"]] == []


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


# --- Tokens at the other doors ------------------------------------------------------------------


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


OURS, THEIRS = SigningSeed("ours", b"1" * 32), SigningSeed("theirs", b"2" * 32)
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
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    public = client.get(JWKS).json()["keys"][0]["x"]
    head, claims = unpacked(key.token())
    for password in (public.encode(), base64.urlsafe_b64decode(public + "=")):
        content = packed(head | {"alg": "HS256"}, claims)
        mac = base64url(hmac.digest(password, content.encode(), hashlib.sha256))
        assert gateway.introspect(f"{content}.{mac}").content == b'{"active": false}'


# --- Revocation ---------------------------------------------------------------------------------


def test_a_key_ends_itself_and_its_holder_is_told(key, gateway):
    token = key.token()
    response = key.revoke()
    assert (response.status_code, response.content) == (200, b"{}")
    assert response["Cache-Control"] == "no-store"
    assert gateway.introspect(key.secret).content == b'{"active": false}'
    assert gateway.introspect(token).content == b'{"active": false}'
    credential = Credential.objects.get(kid=key.kid)
    assert (credential.status, credential.revoked_by, credential.revoked_with_key) == (
        "revoked",
        None,
        True,
    )
    assert (credential.revoked_reason, credential.revoked_by_staff) == ("no_longer_needed", False)
    (event,) = events_about(key.kid)
    assert (event.kind, event.actor, event.payload["reason"]) == (
        "credential.revoked",
        "system:oauth",
        "no_longer_needed",
    )
    (mail,) = OutgoingMail.objects.filter(template="credentials/key_revoked_with_key")
    assert (mail.to, mail.context["kid"]) == (key.credential.grant.holder.email, key.kid)


def test_in_the_body_and_with_any_hint(key, client):
    fields = {"client_id": key.kid, "client_secret": key.secret, "token": key.secret}
    assert post(client, REVOKE, fields | {"token_type_hint": "nonsense"}).status_code == 200
    assert key.state() == "revoked"


@pytest.mark.parametrize("suspend", ["suspended", "halted"])
def test_a_key_that_access_is_denied_to_can_still_be_ended(key, suspend):
    """It may come back to life, and in the wrong hands."""
    NO_USE[suspend](key)
    assert key.revoke().status_code == 200
    assert key.state() == "revoked"


def test_a_dead_key_is_told_no_more_than_a_made_up_one(client):
    answers = []
    for name in (
        "unknown",
        "wrong",
        "of another",
        "under another id",
        "junk",
        "revoked",
        "retired",
    ):
        key = Key(client)
        NO_USE[name](key)
        answers.append(key.revoke())
    once_more = Key(client)
    once_more.revoke()
    answers.append(once_more.revoke())
    assert [plain(answer) for answer in answers] == [plain(answers[0])] * len(answers)
    assert (refusal(answers[0]), answers[0]["WWW-Authenticate"]) == (
        (401, "invalid_client"),
        REFUSED,
    )
    assert events_about(once_more.kid).count() == 1


def test_whatever_is_not_the_key_itself_is_left_alone_and_not_told_about(key, client):
    sibling, of_sibling = make_live_key(grant=key.credential.grant)
    other, of_other = make_live_key()
    tokens = [of_sibling, of_other, secrets.mint(key.kid).token, key.kid, "junk", key.secret + "x"]
    answers = [key.revoke(token) for token in tokens]
    assert [plain(answer) for answer in answers] == [plain(answers[0])] * len(tokens)
    assert (answers[0].status_code, answers[0].content) == (200, b"{}")
    assert set(Credential.objects.values_list("status", flat=True)) == {"active"}
    assert [list(events_about(each.kid)) for each in (sibling, other, key.credential)] == [[]] * 3


def test_a_token_cannot_be_revoked_and_that_tells_nothing_about_it(key, client):
    answers = [key.revoke(token) for token in (key.token(), Key(client).token(), "a.b.c")]
    assert [plain(answer) for answer in answers] == [plain(answers[0])] * 3
    assert refusal(answers[0]) == (400, "unsupported_token_type")
    assert key.state() == "active"


def test_the_token_to_revoke_must_be_named(key):
    assert refusal(key.revoke("")) == (400, "invalid_request")
    assert key.state() == "active"


def test_revoking_at_once_is_one_time(key, client):
    from portal.audit.services import System  # noqa: PLC0415
    from portal.credentials.services import revoke_by_possession  # noqa: PLC0415

    done = [revoke_by_possession(kid=key.kid, by=System("oauth")) for _ in range(3)]
    assert done == [True, False, False]
    assert events_about(key.kid).count() == OutgoingMail.objects.count() == 1


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


# --- When things fail ---------------------------------------------------------------------------


def test_no_database_is_503_and_the_public_keys_are_there_all_the_same(key, client):
    def gone(execute, sql, params, many, context):
        raise OperationalError("server closed the connection: secret detail")

    with connection.execute_wrapper(gone):
        for response in (key.exchange(), key.revoke()):
            assert refusal(response) == (503, "temporarily_unavailable")
            assert b"secret detail" not in response.content
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
