"""What is signed, byte by byte: nothing is taken for the portal's that is not."""

import base64
import hmac
import json

import pytest
from asking import code
from portal_double import Signer, segment

from access_verifier import Code

# --- Not signed by the portal -------------------------------------------------------------------


def with_header(portal, **header):
    return portal.signer.sign(portal.claims(), "at+jwt", **header)


def unsigned(portal, alg):
    parts = {"alg": alg, "typ": "at+jwt", "kid": "k1"}, portal.claims()
    return ".".join(segment(json.dumps(part).encode()) for part in parts) + "."


def signed_with_the_public_key_as_a_secret(portal, secret):
    text = unsigned(portal, "HS256")[:-1]
    return f"{text}.{segment(hmac.digest(secret, text.encode(), 'sha256'))}"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "EdDSA", "", "HS256"])
def test_a_token_without_a_signature_is_refused(portal, verifier, alg):
    expected = Code.BAD_SIGNATURE if alg == "EdDSA" else Code.MALFORMED
    assert code(verifier, unsigned(portal, alg)) == expected


def test_a_public_key_is_no_secret(portal, verifier):
    raw = portal.signer.public
    jwk = json.dumps(portal.signer.jwk()).encode()
    for secret in (raw, segment(raw).encode(), base64.b64encode(raw), jwk):
        token = signed_with_the_public_key_as_a_secret(portal, secret)
        assert code(verifier, token) == Code.MALFORMED
        assert code(verifier, token.replace(token.split(".")[0], "")) == Code.MALFORMED


@pytest.mark.parametrize("alg", ["HS256", "ES256", "RS256", "Ed25519", "Ed448", "eddsa", None, 1])
def test_another_algorithm_is_refused_under_a_good_signature(portal, verifier, alg):
    assert code(verifier, with_header(portal, alg=alg)) == Code.MALFORMED


@pytest.mark.parametrize(
    "typ",
    ["JWT", "jwt", "at+JWT", "", None, 1, "access-snapshot+jwt", "statuslist+jwt", "at+jwt "],
)
def test_another_type_is_refused_under_a_good_signature(portal, verifier, typ):
    assert code(verifier, portal.token(typ=typ)) == Code.MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://keys.example/jwks.json"},
        {"jwk": {"kty": "OKP"}},
        {"x5u": "https://keys.example/x.pem"},
        {"x5c": ["MII="]},
        {"x5t": "aaaa"},
        {"x5t#S256": "aaaa"},
        {"crit": []},
        {"crit": ["exp"]},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"kid": None},
        {"kid": ["k1"]},
    ],
)
def test_a_header_that_asks_for_more_is_refused_under_a_good_signature(portal, verifier, header):
    assert code(verifier, with_header(portal, **header)) == Code.MALFORMED


def test_a_payload_that_is_not_encoded_is_refused(portal, verifier):
    """RFC 7797, signed as it asks."""
    head = segment(b'{"alg":"EdDSA","typ":"at+jwt","kid":"k1"}')
    text = f"{head}.{json.dumps(portal.claims(), separators=(',', ':'))}"
    token = f"{text}.{segment(portal.signer.private.sign(text.encode()))}"
    assert code(verifier, token) == Code.MALFORMED


def test_another_key_under_the_same_id_is_refused(portal, verifier):
    assert code(verifier, Signer("k1").sign(portal.claims(), "at+jwt")) == Code.BAD_SIGNATURE


def test_a_key_nobody_knows_is_refused(portal, verifier):
    assert code(verifier, Signer("k2").sign(portal.claims(), "at+jwt")) == Code.UNKNOWN_SIGNING_KEY


def test_a_signature_is_for_one_text(portal, verifier):
    mine, yours = portal.token(sub="usr_1").split("."), portal.token(sub="usr_2").split(".")
    assert code(verifier, ".".join([*mine[:2], yours[2]])) == Code.BAD_SIGNATURE
    assert code(verifier, ".".join([mine[0], yours[1], mine[2]])) == Code.BAD_SIGNATURE


# --- The shape of the text ----------------------------------------------------------------------


def test_a_token_cut_anywhere_is_refused(portal, verifier):
    token = portal.token()
    codes = {code(verifier, token[:end]) for end in range(len(token))}
    assert codes == {Code.MALFORMED, Code.BAD_SIGNATURE}


def test_any_character_changed_is_refused(portal, verifier):
    token = portal.token()
    for place, character in enumerate(token):
        other = "B" if character == "A" else "A"
        assert code(verifier, token[:place] + other + token[place + 1 :]) != Code.ALLOWED


def other_spellings(token):
    """Texts that a forgiving reader would take for the same token."""
    head, payload, signature = token.split(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    loose = last[last.index(signature[-1]) ^ 1]  # differs in bits that are no byte's
    yield f"{head}.{payload}.{signature[:-1]}{loose}"
    yield f"{head}.{payload}.{signature}=="
    yield f"{head}.{payload}.{signature}\n"
    yield f"{head}.{payload}.{signature} "
    yield f" {head}.{payload}.{signature}"
    yield f"{head}.{payload}.{signature[:10]} {signature[10:]}"
    yield f"{head}.{payload}.{signature}."
    yield f".{head}.{payload}.{signature}"
    yield f"{head}.{payload}.{signature}.{signature}"
    yield f"{head}..{payload}.{signature}"
    if "-" in signature or "_" in signature:
        yield f"{head}.{payload}.{signature.replace('-', '+').replace('_', '/')}"


def test_only_one_spelling_of_a_token_is_good(portal, verifier):
    for attempt in range(8):  # signatures differ in what letters they hold
        token = portal.token(jti=f"jti_{attempt}")
        assert code(verifier, token) == Code.ALLOWED
        for other in other_spellings(token):
            assert code(verifier, other) in {Code.MALFORMED, Code.BAD_SIGNATURE}


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "tpk_live_" + "a" * 66,
        "\0",
        "\ud800.\ud800.\ud800",
        "\uff45\uff59\uff2a." * 3,
        "é" * 100,
        "A" * 65536,
        ("A" * 20000 + ".") * 3,
        "e30.e30.e30",
    ],
)
def test_junk_is_refused(verifier, token):
    assert code(verifier, token) == Code.MALFORMED


def test_unicode_that_looks_the_same_is_refused(portal, verifier):
    token = portal.token()
    wide = token[:-1] + chr(ord(token[-1]) + 0xFEE0)
    assert code(verifier, wide) == Code.MALFORMED


def test_a_genuine_token_may_have_eight_kilobytes_and_no_more(portal, verifier):
    """The longest that comes up to the bound is let in, so the bound is what refuses the next."""
    bare = len(portal.token(more=""))
    room = (8192 - bare) * 3 // 4
    for length in range(room - 4, room + 5):
        token = portal.token(more="a" * length)
        expected = Code.ALLOWED if len(token) <= 8192 else Code.MALFORMED
        assert code(verifier, token) == expected
    assert code(verifier, portal.token(more="a" * 65536)) == Code.MALFORMED


RAW_CLAIMS = [
    b"",
    b"{",
    b"[]",
    b'"text"',
    b"null",
    b"{}",
    b"\xff\xfe",
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b"[" * 5000,
    b'{"a":' * 2000,
    b'{"a": ' + b"1" * 5000 + b"}",
    b"\xef\xbb\xbf{}",
]


@pytest.mark.parametrize("raw", RAW_CLAIMS)
def test_claims_that_are_no_json_object_are_refused_under_a_good_signature(portal, verifier, raw):
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
    assert code(verifier, portal.signer.sign_raw(header, raw)) == Code.MALFORMED


def test_a_member_that_stands_there_twice_is_refused(portal, verifier):
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"}
    claims = json.dumps(portal.claims())
    twice = claims[:-1] + ', "sub": "usr_2"}'
    assert code(verifier, portal.signer.sign_raw(header, claims.encode())) == Code.ALLOWED
    assert code(verifier, portal.signer.sign_raw(header, twice.encode())) == Code.MALFORMED
    deep = claims[:-1] + ', "more": {"a": 1, "a": 1}}'
    assert code(verifier, portal.signer.sign_raw(header, deep.encode())) == Code.MALFORMED
    header_twice = b'{"alg":"EdDSA","typ":"at+jwt","kid":"k0","kid":"k1"}'
    token = portal.signer.sign_raw(header_twice, claims.encode())
    assert code(verifier, token) == Code.MALFORMED
