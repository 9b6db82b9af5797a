import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from portal.credentials.facts import read_facts
from portal.credentials.models import Credential
from portal.gateway import signing, tokens
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.programs import ModelReleaseFactory

pytestmark = pytest.mark.django_db
SCOPES = ["cyber:scan", "model:infer"]
BOTH, ONE = frozenset(SCOPES), frozenset({"model:infer"})


@pytest.fixture
def key():
    return make_live_key(
        grant__scopes=SCOPES,
        grant__requests_per_minute=7,
        grant__tokens_per_day=12_000_000_000,
        grant__application__organization=OrganizationFactory(),
    )[0]


def made(key, scopes=BOTH, now=None):
    begins = int((now or timezone.now()).timestamp())
    facts, index = read_facts(key.kid), key.status_index
    return tokens.make(facts, scopes=scopes, begins=begins, index=index)


def judge(key, token, scope=None, audience=None):
    audience = audience or key.grant.phase.release.audience
    return tokens.judge_token(token, audience=audience, scope=scope)


def test_a_token_says_what_the_rfc_and_a_gateway_ask_for(key, settings):
    now = timezone.now()
    fresh = made(key, now=now)
    claims = signing.read(fresh.token, typ="at+jwt")
    jti, grant = claims.pop("jti"), key.grant
    assert claims == {
        "iss": settings.BASE_URL,
        "aud": grant.phase.release.audience,
        "sub": grant.holder.ref,
        "client_id": key.kid,
        "kind": "live",
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + 60,
        "scope": "cyber:scan model:infer",
        "grant": grant.ref,
        "phase": grant.phase.ref,
        "release": grant.phase.release.ref,
        "organization": grant.organization.ref,
        "limits": {"requests_per_minute": 7, "tokens_per_day": 12_000_000_000},
        "status": {
            "status_list": {
                "idx": key.status_index,
                "uri": f"{settings.BASE_URL}/gateway/status-list",
            }
        },
    }
    assert re.fullmatch(r"[\w-]{22}", jti)
    assert (fresh.expires_in, fresh.scope) == (60, "cyber:scan model:infer")
    assert fresh.token not in repr(fresh)


def test_no_two_have_the_same_id_and_somebody_alone_has_no_organisation():
    key, _ = make_live_key()
    first, second = (signing.read(made(key, ONE).token, typ="at+jwt") for _ in range(2))
    assert first["jti"] != second["jti"]
    assert "organization" not in first


@pytest.mark.parametrize(
    ("left", "expires_in"),
    [(3600, 60), (61, 60), (60, 60), (59.9, 59), (30, 30), (1, 1), (0.9, None), (-1, None)],
)
@pytest.mark.parametrize("ends", ["key", "grant"])
def test_it_never_outlives_key_or_grant(key, left, expires_in, ends):
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    end = now + timedelta(seconds=left)
    key.grant.starts_at = now - timedelta(days=1)
    key.expires_at = key.grant.ends_at = end + timedelta(days=1)
    setattr(*((key, "expires_at") if ends == "key" else (key.grant, "ends_at")), end)
    key.save()
    key.grant.save()
    fresh = made(key, now=now)
    assert (fresh and fresh.expires_in) == expires_in
    if fresh:
        assert signing.read(fresh.token, typ="at+jwt")["exp"] == now.timestamp() + expires_in


# --- Reading ------------------------------------------------------------------------------------


def changed(key, **claims):
    """A genuine token but for these claims; None takes one away."""
    said = signing.read(made(key).token, typ="at+jwt") | claims
    kept = {name: value for name, value in said.items() if value is not None}
    return signing.sign(kept, typ="at+jwt")


def test_what_is_read(key):
    now = timezone.now()
    fresh = made(key, ONE, now)
    claims = signing.read(fresh.token, typ="at+jwt")
    assert tokens.read(fresh.token) == tokens.ReadToken(
        kid=key.kid,
        audience=key.grant.phase.release.audience,
        scopes=ONE,
        issued_at=int(now.timestamp()),
        expires_at=int(now.timestamp()) + 60,
        jti=claims["jti"],
        kind="live",
    )
    assert tokens.read(changed(key)) is not None


# Seconds from now; a second or two go by in between.
@pytest.mark.parametrize(
    ("claim", "after", "reads"),
    [
        ("exp", 3, True),
        ("exp", 0, False),
        ("exp", -4, False),
        ("exp", -60, False),
        ("iat", 3, True),
        ("iat", 10, False),
        ("iat", 600, False),
        ("nbf", 3, True),
        ("nbf", 600, False),
    ],
)
def test_times(key, claim, after, reads):
    at = int(timezone.now().timestamp()) + after
    assert bool(tokens.read(changed(key, **{claim: at}))) is reads


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"iss": ["http://127.0.0.1:8000"]},
        {"iss": "http://127.0.0.1:8000/"},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": [9999999999]},
        {"iat": None},
        {"iat": "1"},
        {"iat": False},
        {"nbf": "1"},
        *({name: None} for name in ("aud", "client_id", "scope", "jti", "kind")),
        *(
            {name: value}
            for name in ("client_id", "scope", "jti", "kind")
            for value in (7, ["a"], {})
        ),
        {"aud": ["a", "b"]},
        {"aud": 7},
    ],
)
def test_a_claim_of_another_kind_is_not_believed(key, claims):
    assert tokens.read(changed(key, **claims)) is None


def test_another_portal_s_token_is_not_ours(key, settings):
    token = made(key).token
    settings.BASE_URL = "https://another.example"
    assert tokens.read(token) is None


def test_whatever_else_our_keys_sign_is_no_token(key):
    claims = signing.read(made(key).token, typ="at+jwt")
    for typ in ("JWT", "at+JWT", "application/at+jwt", "statuslist+jwt", "", "at+jwt "):
        assert tokens.read(signing.sign(claims, typ=typ)) is None


# --- Judging ------------------------------------------------------------------------------------


def test_a_token_gives_what_it_says_and_not_what_its_key_holds(key):
    token = made(key, ONE).token
    allowed = judge(key, token, "model:infer")
    assert (allowed.verdict.allowed, allowed.facts.scopes) == (True, ONE)
    assert judge(key, token, "cyber:scan").verdict.code == "scope_not_held"
    assert judge(key, token).verdict.allowed
    # The key has lost since what the token says.
    Credential.objects.update(scopes=["cyber:scan"])
    assert judge(key, token, "model:infer").verdict.code == "scope_not_held"
    assert judge(key, token).facts.scopes == frozenset()


def test_it_is_refused_with_its_key_from_the_commit_on(key):
    token = made(key).token
    assert judge(key, token).verdict.allowed
    Credential.objects.update(status="revoked", revoked_at=timezone.now(), revoked_by=UserFactory())
    assert judge(key, token).verdict.code == "key_revoked"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda key: Credential.objects.update(expires_at=timezone.now()), "key_expired"),
        (lambda key: type(key.grant).objects.update(status="suspended"), "grant_not_active"),
        (lambda key: key.grant.holder.memberships.all().delete(), "not_a_member"),
        (lambda key: Credential.objects.update(kid="0" * 16), "token_invalid"),
    ],
)
def test_all_levels_deny_it_as_they_deny_its_key(key, change, code):
    token = made(key).token
    change(key)
    assert judge(key, token).verdict.code == code


def test_another_release_s_gateway_gets_nothing(key):
    judged = judge(key, made(key).token, audience=ModelReleaseFactory().audience)
    assert (judged.verdict.code, judged.facts, judged.token) == ("wrong_audience", None, None)
    # Nor does the old gateway once the release has moved.
    token, before = made(key).token, key.grant.phase.release.audience
    type(key.grant.phase.release).objects.filter(pk=key.grant.phase.release.pk).update(
        audience="https://moved.example"
    )
    assert judge(key, token, audience=before).verdict.code == "wrong_audience"
    assert judge(key, token, audience="https://moved.example").verdict.code == "wrong_audience"


def test_one_statement_for_a_token_and_none_for_a_forged_one(key, django_assert_num_queries):
    token = made(key).token
    with django_assert_num_queries(1):
        assert judge(key, token).verdict
    forged = token[:-1] + ("A" if token[-1] != "A" else "Q")
    with django_assert_num_queries(0):
        assert judge(key, forged).verdict.code == "token_invalid"


def test_one_question_for_keys_and_tokens(key):
    other, secret = make_live_key()
    audience = other.grant.phase.release.audience
    assert tokens.verify(secret, audience=audience, scope="model:infer").token is None
    assert tokens.verify(secret, audience=audience, scope="model:infer").verdict.allowed
    found = tokens.verify(made(other, ONE).token, audience=audience, scope="model:infer")
    assert (found.verdict.allowed, found.token.kid) == (True, other.kid)
    for junk in ("", ".", "..", "...", "a.b.c", secret + ".a.b"):
        assert not tokens.verify(junk, audience=audience, scope=None).verdict


# --- Kinds of keys ------------------------------------------------------------------------------


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize("kind", ["live", "test"])
def test_the_token_of_a_test_key_is_for_sandboxes_only(kind, sandbox):
    key = make_live_key(kind=kind)[0]
    token = made(key, ONE).token
    assert tokens.read(token).kind == kind
    audience = key.grant.phase.release.audience
    for ask in (tokens.verify, tokens.judge_token):
        said = ask(token, audience=audience, scope="model:infer", sandbox=sandbox).verdict
        expected = "" if kind == "live" or sandbox else "wrong_kind"
        assert (said.allowed, said.code) == (expected == "", expected)


@pytest.mark.parametrize("sandbox", [False, True])
@pytest.mark.parametrize(("kind", "said"), [("test", "live"), ("live", "test"), ("live", "Live")])
def test_a_token_that_tells_another_kind_than_its_keys_is_none(kind, said, sandbox):
    key = make_live_key(kind=kind)[0]
    audience = key.grant.phase.release.audience
    found = tokens.verify(changed(key, kind=said), audience=audience, scope=None, sandbox=sandbox)
    assert (found.verdict.code, found.facts) == ("token_invalid", None)
