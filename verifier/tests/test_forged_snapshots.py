"""Which snapshots are not believed: old ones, forged ones, and those not understood whole."""

import json

import pytest
from asking import code, problem
from portal_double import AUDIENCE, NOON, SNAPSHOT, Signer, saying, segment

from access_verifier import Code


def test_a_recorded_snapshot_cannot_be_replayed(portal, verifier, clock):
    recorded = portal.last_snapshot
    clock.advance(1)
    portal.freezes = [{"level": "everything", "ref": ""}]
    portal.faults[SNAPSHOT] = saying(recorded)
    assert not verifier.poll_once()
    assert problem(verifier) == "nonce is not what was expected"
    clock.advance(14.1)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_nor_at_a_gateway_that_has_just_started(portal, verifier, make_verifier):
    """It knows of no version yet, and its clock may be wrong: only the nonce tells."""
    portal.faults[SNAPSHOT] = saying(portal.last_snapshot)
    restarted = make_verifier()
    assert not restarted.poll_once()
    assert code(restarted, portal.token()) == Code.SNAPSHOT_STALE


def test_every_question_has_a_nonce_of_its_own(portal, verifier, clock):
    for _ in range(20):
        clock.advance(1)
        assert verifier.poll_once()
    nonces = [path.partition("?nonce=")[2] for path, _ in portal.asked if SNAPSHOT in path]
    assert len(nonces) == len(set(nonces)) == 21
    assert {len(nonce) for nonce in nonces} == {22}  # 128 bits


@pytest.mark.parametrize("version", [0, 1])
def test_a_version_that_does_not_follow_is_refused(portal, verifier, clock, version):
    assert verifier.health()["snapshot_version"] == 1
    clock.advance(1)
    portal.more = {"version": version}
    assert not verifier.poll_once()
    assert problem(verifier) == f"version {version} does not follow version 1"
    portal.more = {}
    assert verifier.poll_once()
    assert problem(verifier) is None


MALFORMED_SNAPSHOTS = [
    {"status_lists": "https://portal.example/list"},
    {"status_lists": [1]},
    {"iss": "https://portal.example"},
    {"iss": None},
    {"aud": "another"},
    {"aud": [AUDIENCE]},
    {"aud": None},
    {"nonce": None},
    {"nonce": ""},
    {"iat": None},
    {"iat": str(NOON)},
    {"iat": True},
    {"exp": None},
    {"exp": NOON},
    {"exp": NOON - 15},
    {"version": None},
    {"version": "2"},
    {"version": 1.5},
    {"version": -1},
    {"version": True},
    {"freezes": None},
    {"freezes": {}},
    {"freezes": ["everything"]},
    {"freezes": [{}]},
    {"freezes": [{"level": "planet", "ref": "earth"}]},
    {"freezes": [{"level": ["person"], "ref": "usr_1"}]},
    {"freezes": [{"level": "person"}]},
    {"freezes": [{"level": "person", "ref": ""}]},
    {"freezes": [{"level": "person", "ref": 1}]},
    {"freezes": [{"level": "person", "ref": "usr 1"}]},
    {"epochs": None},
    {"epochs": []},
    {"epochs": {"planet:earth": NOON}},
    {"epochs": {"person": NOON}},
    {"epochs": {"person:": NOON}},
    {"epochs": {"everything:": NOON}},
    {"epochs": {"everything:all": NOON}},
    {"epochs": {"": NOON}},
    {"epochs": {"person:usr_1": None}},
    {"epochs": {"person:usr_1": "now"}},
    {"epochs": {"person:usr_1": True}},
]


@pytest.mark.parametrize("more", MALFORMED_SNAPSHOTS, ids=json.dumps)
def test_a_snapshot_that_is_not_understood_whole_is_not_believed(portal, make_verifier, more):
    verifier = make_verifier()
    portal.more = more
    assert not verifier.poll_once()
    assert problem(verifier)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_what_it_holds_besides_does_no_harm(portal, make_verifier):
    verifier = make_verifier()
    portal.more = {"another": {"claim": 1}, "jti": "s1"}
    assert verifier.poll_once()


def nonce_of(handler):
    return handler.path.partition("nonce=")[2]


def resigned(portal, sign):
    """Answer with a snapshot whose claims are right and that `sign(claims)` has made."""

    def answer(handler):
        claims = {
            "iss": portal.url,
            "aud": AUDIENCE,
            "iat": portal.now,
            "exp": portal.now + 15,
            "version": 1000,
            "nonce": nonce_of(handler),
            "freezes": [],
            "epochs": {},
        }
        handler.answer(sign(claims))

    return answer


TYP = "access-snapshot+jwt"
FORGERIES = {
    "an access token": lambda portal, claims: portal.signer.sign(claims, "at+jwt"),
    "a status list": lambda portal, claims: portal.signer.sign(claims, "statuslist+jwt"),
    "a plain JWT": lambda portal, claims: portal.signer.sign(claims, "JWT"),
    "another's key": lambda portal, claims: Signer("k1").sign(claims, TYP),
    "an unknown key": lambda portal, claims: Signer("k9").sign(claims, TYP),
    "no signature": lambda portal, claims: ".".join(
        [
            *(
                segment(json.dumps(part).encode())
                for part in ({"alg": "none", "typ": TYP, "kid": "k1"}, claims)
            ),
            "",
        ]
    ),
    "a key from elsewhere": lambda portal, claims: portal.signer.sign(
        claims, TYP, jku="https://keys.example"
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_snapshot_is_not_believed(portal, make_verifier, name):
    verifier = make_verifier()
    portal.faults[SNAPSHOT] = resigned(portal, lambda claims: FORGERIES[name](portal, claims))
    assert not verifier.poll_once()
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE
    portal.faults[SNAPSHOT] = resigned(portal, lambda claims: portal.signer.sign(claims, TYP))
    assert verifier.poll_once()  # so it was the forgery


def test_a_snapshot_is_no_token(portal, verifier):
    assert code(verifier, portal.last_snapshot) == Code.MALFORMED
