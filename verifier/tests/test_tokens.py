"""What is a token, and what only looks like one."""

import json

import pytest
from asking import INFER, code
from portal_double import NOON, Signer

from access_verifier import Code


def test_a_good_token_is_let_in_and_says_who_it_is(portal, verifier):
    verdict = verifier.verify(portal.token(), INFER)
    assert verdict.code is Code.ALLOWED
    who = verdict.identity
    assert (who.person, who.organization, who.key) == ("usr_1", "org_1", "key1")
    assert (who.grant, who.phase, who.release) == ("grt_1", "pha_1", "rel_1")
    assert who.scopes == {"model:infer", "model:embed"}
    assert (who.token_id, who.issued_at, who.expires_at) == ("jti_1", NOON, NOON + 60)


def test_the_application_is_told_all_of_it(portal, verifier):
    who = verifier.verify(portal.token(organization=None, scope=""), None).identity
    assert who.headers() == {
        "X-Access-Subject": "usr_1",
        "X-Access-Organization": "-",
        "X-Access-Key-Id": "key1",
        "X-Access-Grant": "grt_1",
        "X-Access-Phase": "pha_1",
        "X-Access-Release": "rel_1",
        "X-Access-Scope": "-",
    }


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt"])  # RFC 9068, section 4
def test_both_spellings_of_the_type_are_good(portal, verifier, typ):
    assert code(verifier, portal.token(typ=typ)) == Code.ALLOWED


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("model:infer", Code.ALLOWED),
        ("model:infer model:embed", Code.ALLOWED),
        (None, Code.ALLOWED),
        ("model:tune", Code.SCOPE_NOT_HELD),
        ("model:infer model:tune", Code.SCOPE_NOT_HELD),
        ("model:inf", Code.SCOPE_NOT_HELD),
        ("", Code.SCOPE_NOT_HELD),
        (" ", Code.SCOPE_NOT_HELD),
    ],
)
def test_all_scopes_that_are_needed_must_be_held(portal, verifier, scope, expected):
    assert code(verifier, portal.token(), scope) == expected


# --- Claims -------------------------------------------------------------------------------------

WORDS = ["sub", "client_id", "grant", "phase", "release", "jti"]
NO_WORDS = [
    "",
    " ",
    "two words",
    "line\nbreak",
    "null\0",
    "é",
    1,
    True,
    ["a"],
    {"a": 1},
    "a" * 2000,
]


@pytest.mark.parametrize("claim", WORDS)
@pytest.mark.parametrize("value", [None, *NO_WORDS])
def test_a_reference_is_there_and_fit_for_a_header(portal, verifier, claim, value):
    assert code(verifier, portal.token(**{claim: value})) == Code.MALFORMED


@pytest.mark.parametrize("value", NO_WORDS)
def test_an_organisation_may_be_missing_and_nothing_else(portal, verifier, value):
    assert code(verifier, portal.token(organization=None)) == Code.ALLOWED
    assert code(verifier, portal.token(organization=value)) == Code.MALFORMED


@pytest.mark.parametrize(
    ("claim", "value", "expected"),
    [
        ("iss", "https://portal.example", Code.WRONG_ISSUER),
        ("iss", "", Code.WRONG_ISSUER),
        ("iss", None, Code.MALFORMED),
        ("iss", 1, Code.MALFORMED),
        ("aud", "another", Code.WRONG_AUDIENCE),
        ("aud", "aurora-preview ", Code.WRONG_AUDIENCE),
        ("aud", ["aurora-preview"], Code.MALFORMED),
        ("aud", None, Code.MALFORMED),
        ("kind", "test", Code.WRONG_KIND),
        ("kind", "Live", Code.WRONG_KIND),
        ("kind", "", Code.WRONG_KIND),
        ("kind", None, Code.MALFORMED),
        ("kind", ["live"], Code.MALFORMED),
        ("scope", None, Code.MALFORMED),
        ("scope", ["model:infer"], Code.MALFORMED),
        ("scope", " model:infer", Code.MALFORMED),
        ("scope", "model:infer  a:b", Code.MALFORMED),
        ("scope", "model:infer\ta:b", Code.MALFORMED),
        ("scope", "", Code.SCOPE_NOT_HELD),
        ("iat", None, Code.MALFORMED),
        ("iat", "1800000000", Code.MALFORMED),
        ("iat", True, Code.MALFORMED),
        ("iat", 10**20, Code.MALFORMED),
        ("exp", None, Code.MALFORMED),
        ("exp", str(NOON + 60), Code.MALFORMED),
        ("exp", float("inf"), Code.MALFORMED),
        ("exp", True, Code.MALFORMED),
        ("nbf", "now", Code.MALFORMED),
        ("exp", NOON + 301, Code.LIVES_TOO_LONG),
        ("exp", NOON + 300, Code.ALLOWED),
        ("status", {}, Code.MALFORMED),
        ("status", [], Code.MALFORMED),
        ("status", {"status_list": {"idx": -1, "uri": "x"}}, Code.MALFORMED),
        ("status", {"status_list": {"idx": True, "uri": "x"}}, Code.MALFORMED),
        ("status", {"status_list": {"idx": 0.5, "uri": "x"}}, Code.MALFORMED),
        ("status", {"status_list": {"idx": 1}}, Code.MALFORMED),
        ("status", {"something_else": {}}, Code.MALFORMED),
    ],
)
def test_claims(portal, verifier, claim, value, expected):
    assert code(verifier, portal.token(**{claim: value})) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("live", Code.ALLOWED), ("test", Code.ALLOWED), ("other", Code.WRONG_KIND)],
)
def test_a_sandbox_takes_test_keys_when_it_says_so(portal, make_verifier, kind, expected):
    verifier = make_verifier(test_keys=True)
    assert verifier.poll_once()
    assert code(verifier, portal.token(kind=kind)) == expected


def test_a_number_too_large_for_any_number_is_none(portal, verifier):
    claims = json.dumps(portal.claims(exp="LARGE")).replace('"LARGE"', "1e400")
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
    assert code(verifier, portal.signer.sign_raw(header, claims.encode())) == Code.MALFORMED


# --- Time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"exp": NOON + 1}, Code.ALLOWED),
        ({"iat": NOON - 60, "exp": NOON - 4}, Code.ALLOWED),  # within the leeway
        ({"iat": NOON - 60, "exp": NOON - 5}, Code.EXPIRED),
        ({"iat": NOON + 5}, Code.ALLOWED),
        ({"iat": NOON + 6}, Code.NOT_YET_VALID),
        ({"nbf": NOON + 6}, Code.NOT_YET_VALID),
        ({"nbf": NOON - 900}, Code.ALLOWED),
    ],
)
def test_the_portal_says_what_time_it_is(portal, verifier, times, expected):
    assert code(verifier, portal.token(**times)) == expected


def test_the_leeway_can_be_set(portal, make_verifier):
    verifier = make_verifier(leeway=0)
    verifier.poll_once()
    assert code(verifier, portal.token(iat=NOON - 60, exp=NOON + 1)) == Code.ALLOWED
    assert code(verifier, portal.token(iat=NOON - 60, exp=NOON)) == Code.EXPIRED


# --- What is kept of good tokens ----------------------------------------------------------------


def test_a_token_seen_before_is_judged_anew(portal, verifier, clock):
    token = portal.token()
    assert code(verifier, token) == Code.ALLOWED
    assert code(verifier, token, "model:tune") == Code.SCOPE_NOT_HELD
    clock.advance(10)
    portal.freezes = [{"level": "person", "ref": "usr_1"}]
    verifier.poll_once()
    assert code(verifier, token) == Code.FROZEN
    portal.freezes = []
    for _ in range(55):
        clock.advance(1)
        verifier.poll_once()
    assert code(verifier, token) == Code.EXPIRED


def test_no_more_is_kept_than_was_said(portal, make_verifier):
    verifier = make_verifier(most_seen=10)
    verifier.poll_once()
    for number in range(100):
        assert code(verifier, portal.token(jti=f"jti_{number}")) == Code.ALLOWED
    seen = verifier._keeper.known.seen
    assert 5 <= len(seen._young) + len(seen._old) <= 10


@pytest.mark.parametrize("most", [0, 1, 10_000])
def test_the_answers_are_the_same_however_much_is_kept(portal, make_verifier, most):
    verifier = make_verifier(most_seen=most)
    verifier.poll_once()
    good, bad = portal.token(), Signer("k1").sign(portal.claims(), "at+jwt")
    assert [code(verifier, token) for token in (good, bad, good, bad)] == [
        Code.ALLOWED,
        Code.BAD_SIGNATURE,
    ] * 2
    if most == 0:
        seen = verifier._keeper.known.seen
        assert (seen._young, seen._old) == ({}, {})
