"""The keys the portal publishes, and how long each is believed."""

import json

import pytest
from asking import INFER, code, problem
from portal_double import JWKS, NOON, Signer, saying, segment

from access_verifier import Code


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
