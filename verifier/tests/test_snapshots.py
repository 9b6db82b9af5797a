"""What the portal says once a second, and when it is believed."""

import json
import time

import pytest
from portal_double import AUDIENCE, JWKS, NOON, SNAPSHOT, Signer, saying, segment

from access_verifier import Code

INFER = "model:infer"


def code(verifier, token):
    return verifier.verify(token, INFER).code


def problem(verifier, what="snapshot"):
    return verifier.health()["problems"].get(what)


# --- Freezes and epochs -------------------------------------------------------------------------

LEVELS = {
    "everything": "",
    "release": "rel_1",
    "phase": "pha_1",
    "organization": "org_1",
    "person": "usr_1",
}


def subject(level, ref):
    return level if level == "everything" else f"{level}:{ref}"


@pytest.mark.parametrize(("level", "ref"), LEVELS.items())
def test_a_freeze_at_each_level_refuses_and_lifting_it_lets_in(portal, verifier, clock, level, ref):
    token = portal.token()
    portal.freezes = [{"level": level, "ref": ref, "since": NOON}]
    clock.advance(1)
    assert verifier.poll_once()
    verdict = verifier.verify(token, INFER)
    assert (verdict.code, verdict.level) == (Code.FROZEN, level)
    portal.freezes = []
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, token) == Code.ALLOWED


@pytest.mark.parametrize("level", sorted(LEVELS.keys() - {"everything"}))
def test_a_freeze_of_another_refuses_nobody_else(portal, verifier, clock, level):
    others = [{"level": level, "ref": ref} for ref in ("other", "usr_", "usr_11", "-")]
    portal.freezes = others
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, portal.token()) == Code.ALLOWED


def test_levels_do_not_mix(portal, verifier, clock):
    portal.freezes = [{"level": "phase", "ref": "usr_1"}, {"level": "person", "ref": "pha_1"}]
    portal.epochs = {"key:usr_1": NOON + 9, "person:key1": NOON + 9, "grant:key1": NOON + 9}
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, portal.token()) == Code.ALLOWED


def test_a_person_on_their_own_is_in_no_organisation(portal, verifier, clock):
    portal.freezes = [{"level": "organization", "ref": ref} for ref in ("None", "-", "null")]
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, portal.token(organization=None)) == Code.ALLOWED


SUBJECTS = [*map(subject, LEVELS, LEVELS.values()), "grant:grt_1", "key:key1"]


@pytest.mark.parametrize("about", SUBJECTS)
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOON - 1, Code.ALLOWED),
        (NOON - 0.001, Code.ALLOWED),
        (NOON, Code.REVOKED),
        (NOON + 0.9, Code.REVOKED),
        (NOON + 1, Code.REVOKED),
    ],
)
def test_an_epoch_refuses_what_was_issued_up_to_its_second(
    portal, verifier, clock, about, at, expected
):
    token = portal.token()
    portal.epochs = {about: at}
    clock.advance(1)
    assert verifier.poll_once()
    verdict = verifier.verify(token, INFER)
    level = about.partition(":")[0] if expected is Code.REVOKED else ""
    assert (verdict.code, verdict.level) == (expected, level)


def test_a_token_issued_in_the_second_of_the_epoch_is_refused_and_the_next_is_not(
    portal, verifier, clock
):
    portal.epochs = {"key:key1": NOON + 1.2}
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, portal.token(iat=NOON + 1)) == Code.REVOKED
    assert code(verifier, portal.token(iat=NOON + 1.9)) == Code.REVOKED
    assert code(verifier, portal.token(iat=NOON + 2)) == Code.ALLOWED


# --- Age, and the time it is --------------------------------------------------------------------


def test_before_the_first_word_nobody_is_let_in(portal, make_verifier):
    verifier = make_verifier()
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE
    assert verifier.health() == {
        "ready": False,
        "snapshot_age": None,
        "snapshot_version": None,
        "keys": 0,
        "problems": {},
    }


def test_word_older_than_fifteen_seconds_lets_nobody_in(portal, verifier, clock):
    token = portal.token(exp=NOON + 60)
    clock.advance(14.99)
    assert code(verifier, token) == Code.ALLOWED
    assert verifier.health()["ready"]
    clock.advance(0.02)
    assert code(verifier, token) == Code.SNAPSHOT_STALE
    assert code(verifier, "junk") == Code.SNAPSHOT_STALE
    assert not verifier.health()["ready"]
    assert verifier.poll_once()
    assert code(verifier, token) == Code.ALLOWED


def test_it_can_be_had_fresher(portal, make_verifier, clock):
    verifier = make_verifier(oldest=4)
    assert verifier.poll_once()
    clock.advance(4)
    assert code(verifier, portal.token()) == Code.ALLOWED
    clock.advance(0.01)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_the_portal_may_say_that_its_word_holds_for_less(portal, make_verifier, clock):
    verifier = make_verifier()
    portal.more = {"exp": NOON + 3}
    assert verifier.poll_once()
    clock.advance(2.99)
    assert code(verifier, portal.token()) == Code.ALLOWED
    clock.advance(0.01)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_the_portal_cannot_say_that_it_holds_for_longer(portal, make_verifier, clock):
    verifier = make_verifier()
    portal.more = {"exp": NOON + 3600}
    assert verifier.poll_once()
    clock.advance(15.01)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_age_is_counted_from_the_question(portal, verifier, clock):
    """An answer that was long under way is as old as the question."""

    def slow(handler):
        nonce = handler.path.partition("nonce=")[2]
        body = portal.snapshot(nonce)
        clock.advance(10)
        handler.answer(body)

    portal.faults[SNAPSHOT] = slow
    clock.advance(1)
    assert verifier.poll_once()
    assert verifier.health()["snapshot_age"] == pytest.approx(10)
    clock.advance(5.01)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_an_answer_that_took_too_long_is_none(portal, make_verifier, clock):
    def slow(handler):
        body = portal.snapshot(handler.path.partition("nonce=")[2])
        clock.advance(16)
        handler.answer(body)

    verifier = make_verifier()
    portal.faults[SNAPSHOT] = slow
    assert not verifier.poll_once()
    assert problem(verifier) == "too old when it arrived"


@pytest.mark.parametrize("wrong_by", [-600, 600, -(10**9), 10**9])
def test_a_wrong_clock_at_the_gateway_changes_nothing(
    portal, make_verifier, clock, monkeypatch, wrong_by
):
    """Whatever the wall clock says, and whatever it is set to meanwhile."""
    really = time.time
    monkeypatch.setattr(time, "time", lambda: really() + wrong_by)
    verifier = make_verifier()
    assert verifier.poll_once()
    token = portal.token()
    assert code(verifier, token) == Code.ALLOWED
    monkeypatch.setattr(time, "time", lambda: really() - wrong_by)
    assert code(verifier, token) == Code.ALLOWED
    assert code(verifier, portal.token(iat=NOON - 60, exp=NOON - 5)) == Code.EXPIRED
    clock.advance(1)
    portal.epochs = {"key:key1": NOON + 1}
    assert verifier.poll_once()
    assert code(verifier, token) == Code.REVOKED
    clock.advance(15.1)
    assert code(verifier, token) == Code.SNAPSHOT_STALE


def test_time_passes_between_snapshots(portal, verifier, clock):
    token = portal.token(exp=NOON + 5)
    clock.advance(9.9)
    assert code(verifier, token) == Code.ALLOWED  # with the leeway
    clock.advance(0.1)
    assert code(verifier, token) == Code.EXPIRED


# --- What is not believed -----------------------------------------------------------------------


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


# --- Keys ---------------------------------------------------------------------------------------


def test_keys_are_asked_for_once_in_five_minutes(portal, verifier, clock):
    for _ in range(299):
        clock.advance(1)
        assert verifier.poll_once()
    assert portal.paths().count(JWKS) == 1
    clock.advance(1)
    assert verifier.poll_once()
    assert portal.paths().count(JWKS) == 2


def test_a_key_rotated_under_traffic_loses_nobody_but_for_a_moment(portal, verifier, clock):
    """Published, then signing; the tokens of the old key live on, until it is withdrawn."""
    old, old_token = portal.signer, portal.token()
    portal.signer = Signer("k2")
    portal.published = [portal.signer, old]
    token = portal.token()
    assert code(verifier, token) == Code.UNKNOWN_SIGNING_KEY
    clock.advance(5)
    assert verifier.poll_once()  # signed by the new key: this alone asks for it
    assert code(verifier, token) == Code.ALLOWED
    assert code(verifier, old_token) == Code.ALLOWED
    portal.published = [portal.signer]
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, old_token) == Code.ALLOWED
    portal.more = {"exp": NOON + 400}
    clock.passed = 310.0
    late = old.sign(portal.claims(), "at+jwt")
    assert verifier.poll_once()
    assert code(verifier, late) == Code.UNKNOWN_SIGNING_KEY


def test_what_was_found_good_under_a_withdrawn_key_is_forgotten(portal, verifier, clock):
    clock.passed = 299.0
    assert verifier.poll_once()
    token = portal.token()
    assert code(verifier, token) == Code.ALLOWED
    portal.published = [portal.signer, Signer("k2")]
    portal.signer = portal.published[1]
    del portal.published[0]
    clock.passed = 300.0
    assert verifier.poll_once()
    assert code(verifier, token) == Code.UNKNOWN_SIGNING_KEY


def test_a_withdrawn_id_that_comes_back_is_another_key(portal, verifier, clock):
    token = portal.token()
    assert code(verifier, token) == Code.ALLOWED
    portal.signer = Signer("k1")
    portal.published = [portal.signer]
    clock.passed = 9.0
    assert not verifier.poll_once()  # signed by a key that is not the one known by this id
    clock.passed = 300.0
    verifier.poll_once()
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE
    assert verifier.poll_once()
    assert code(verifier, portal.token()) == Code.ALLOWED
    old = token.split(".")
    assert code(verifier, ".".join(old)) == Code.BAD_SIGNATURE


def test_unknown_keys_are_asked_for_soon_and_not_at_every_token(portal, verifier, clock):
    stranger = Signer("k9").sign(portal.claims(), "at+jwt")
    for _ in range(60):
        for _ in range(50):
            assert code(verifier, stranger) == Code.UNKNOWN_SIGNING_KEY
        clock.advance(0.25)
        assert verifier.poll_once()
    assert portal.paths().count(JWKS) == 4  # the first, then every five seconds of fifteen


def test_judging_a_token_asks_nobody(portal, verifier):
    before = len(portal.asked)
    verifier.verify(Signer("k9").sign(portal.claims(), "at+jwt"), INFER)
    verifier.verify(
        portal.token(status={"status_list": {"idx": 0, "uri": portal.url + "/s"}}), INFER
    )
    assert len(portal.asked) == before


def test_keys_nobody_confirms_are_not_believed_for_ever(portal, verifier, clock):
    portal.faults[JWKS] = saying("{}", status=500)
    clock.passed = 900.0
    assert verifier.poll_once()
    token = portal.token()
    assert code(verifier, token) == Code.ALLOWED
    clock.passed = 900.1
    assert code(verifier, token) == Code.KEYS_STALE
    assert not verifier.health()["ready"]
    del portal.faults[JWKS]
    clock.passed = 906.0
    assert verifier.poll_once()
    assert code(verifier, portal.token()) == Code.ALLOWED


KEY_SETS = {
    "an empty set": ({"keys": []}, 0),
    "a key for encryption": (lambda s: {"keys": [s.jwk(use="enc")]}, 0),
    "another algorithm": (lambda s: {"keys": [s.jwk(alg="ES256")]}, 0),
    "a private key": (lambda s: {"keys": [s.jwk(d=segment(b"d" * 32))]}, 0),
    "no id": (lambda s: {"keys": [s.jwk(kid=None)]}, 0),
    "an empty id": (lambda s: {"keys": [s.jwk(kid="")]}, 0),
    "too short": (lambda s: {"keys": [s.jwk(x=segment(b"short"))]}, 0),
    "no x": (lambda s: {"keys": [s.jwk(x=None)]}, 0),
    "another curve": (lambda s: {"keys": [s.jwk(crv="X25519")]}, 0),
    "a secret": ({"keys": [{"kty": "oct", "kid": "k1", "k": "c2VjcmV0"}]}, 0),
    "no keys": ({"keys": ["k1", 1, None, []]}, 0),
    "a strange algorithm": (lambda s: {"keys": [s.jwk(alg=["EdDSA"])]}, 0),
    "ours among others": (lambda s: {"keys": [{"kty": "new"}, s.jwk(), {"kty": "RSA"}]}, 1),
    "its newer name": (lambda s: {"keys": [s.jwk(alg="Ed25519")]}, 1),
}


@pytest.mark.parametrize("name", KEY_SETS)
def test_of_a_key_set_only_what_signs_with_ed25519_counts(portal, make_verifier, name):
    document, usable = KEY_SETS[name]
    document = document if isinstance(document, dict) else document(portal.signer)
    portal.faults[JWKS] = saying(json.dumps(document))
    verifier = make_verifier()
    assert verifier.poll_once() == bool(usable)
    assert verifier.health()["keys"] == usable
    assert problem(verifier, "keys") is None


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"keys": {}}', '{"keys": [], "keys": []}'])
def test_what_is_no_key_set_leaves_the_keys_as_they_are(portal, verifier, clock, document):
    portal.faults[JWKS] = saying(document)
    clock.passed = 300.0
    assert verifier.poll_once()
    assert problem(verifier, "keys")
    assert code(verifier, portal.token()) == Code.ALLOWED


def test_two_keys_under_one_id_are_refused(portal, make_verifier):
    portal.published = [portal.signer, Signer("k1")]
    verifier = make_verifier()
    assert not verifier.poll_once()
    assert problem(verifier, "keys") == "two keys under one id"
