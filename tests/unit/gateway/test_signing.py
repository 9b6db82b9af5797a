import hashlib
import hmac
import io

import pytest
from django.core.management import call_command
from django.views.debug import SafeExceptionReporterFilter
from hypothesis import given
from hypothesis import strategies as st

from portal.gateway import signing
from portal.variables import SigningSeed, read_signing_keys
from tests.factories.tokens import base64url, packed, signed, unpacked

# RFC 8037, appendix A.1 and A.2; RFC 8032, section 7.1, has them in hexadecimal.
RFC_SEED = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
RFC_PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
ONE, TWO, THREE = (SigningSeed(kid, bytes([n]) * 32) for n, kid in enumerate(["a", "b", "c"]))
TYP = "test+jwt"
CLAIMS = {"sub": "USR-1"}


@pytest.fixture(autouse=True)
def _keys(settings):
    settings.SIGNING_KEYS = (ONE, TWO)


def public_of(seed):
    return signing._keys((seed,))[0].as_dict(private=False)["x"]


def test_what_is_signed_is_read_again_and_under_its_type_only():
    token = signing.sign(CLAIMS, typ=TYP)
    assert signing.read(token, typ=TYP) == CLAIMS
    assert signing.read(token, typ="at+jwt") is None


def test_the_public_half_is_that_of_the_rfc(settings):
    settings.SIGNING_KEYS = read_signing_keys(f"rfc:{RFC_SEED}")
    assert signing.published() == {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": RFC_PUBLIC,
                "kid": "rfc",
                "use": "sig",
                "alg": "EdDSA",
            }
        ]
    }


def test_the_header_is_written_to_the_letter():
    """Read in the same way: another layout would refuse what another process has just signed."""
    header = signing.sign({}, typ="at+jwt").partition(".")[0]
    assert header == base64url(b'{"typ":"at+jwt","alg":"EdDSA","kid":"a"}')


def test_all_are_published_and_the_first_signs():
    assert [key["kid"] for key in signing.published()["keys"]] == ["a", "b"]
    assert unpacked(signing.sign({}, typ=TYP))[0]["kid"] == "a"


def test_a_key_is_replaced_without_a_token_refused(settings):
    """At each step what the step before signed is read, and what the step after will sign too."""
    steps = [(ONE,), (ONE, TWO), (TWO, ONE), (TWO,)]
    made = []
    for step in steps:
        settings.SIGNING_KEYS = step
        made.append(signing.sign(CLAIMS, typ=TYP))
    for here, step in enumerate(steps):
        settings.SIGNING_KEYS = step
        for token in made[max(here - 1, 0) : here + 2]:
            assert signing.read(token, typ=TYP) == CLAIMS
    assert signing.read(made[0], typ=TYP) is None  # the old key is gone


def test_a_key_put_first_at_once_is_not_known_to_others_yet(settings):
    """Why a new one is published before it signs."""
    settings.SIGNING_KEYS = (TWO, ONE)
    early = signing.sign(CLAIMS, typ=TYP)
    settings.SIGNING_KEYS = (ONE,)
    assert signing.read(early, typ=TYP) is None


HEADER = {"typ": TYP, "alg": "EdDSA", "kid": "a"}


def compact(header):
    return str(header).replace("'", '"').replace(" ", "")


FORGED = {
    "no algorithm": lambda: packed(compact(HEADER | {"alg": "none"}), CLAIMS) + ".",
    "no algorithm, signed": lambda: signed(compact(HEADER | {"alg": "none"}), CLAIMS, ONE.seed),
    "the algorithm's other name": lambda: signed(
        compact(HEADER | {"alg": "Ed25519"}), CLAIMS, ONE.seed
    ),
    "an unpublished key": lambda: signed(compact(HEADER | {"kid": "c"}), CLAIMS, THREE.seed),
    "an unpublished key under our name": lambda: signed(compact(HEADER), CLAIMS, THREE.seed),
    "one of ours under the other's name": lambda: signed(compact(HEADER), CLAIMS, TWO.seed),
    "no kid": lambda: signed('{"typ":"test+jwt","alg":"EdDSA"}', CLAIMS, ONE.seed),
    "no type": lambda: signed('{"alg":"EdDSA","kid":"a"}', CLAIMS, ONE.seed),
    "another type": lambda: signed(compact(HEADER | {"typ": "JWT"}), CLAIMS, ONE.seed),
    "a key's address": lambda: signed(
        compact(HEADER | {"jku": "https://evil.example/jwks.json"}), CLAIMS, THREE.seed
    ),
    "a certificate's address": lambda: signed(
        compact(HEADER | {"x5u": "https://evil.example/a.pem"}), CLAIMS, THREE.seed
    ),
    "a key of its own": lambda: signed(
        compact(HEADER | {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": public_of(THREE)}}),
        CLAIMS,
        THREE.seed,
    ),
    "something critical": lambda: signed(compact(HEADER | {"crit": ["b64"]}), CLAIMS, ONE.seed),
    "a payload as it is": lambda: signed(
        '{"typ":"test+jwt","alg":"EdDSA","kid":"a","b64":false,"crit":["b64"]}', CLAIMS, ONE.seed
    ),
    "two algorithms": lambda: signed(
        '{"typ":"test+jwt","alg":"none","alg":"EdDSA","kid":"a"}', CLAIMS, ONE.seed
    ),
    "two kids": lambda: signed(
        '{"typ":"test+jwt","alg":"EdDSA","kid":"b","kid":"a"}', CLAIMS, ONE.seed
    ),
    "another order": lambda: signed('{"alg":"EdDSA","typ":"test+jwt","kid":"a"}', CLAIMS, ONE.seed),
    "a list for a header": lambda: signed('["alg","kid"]', CLAIMS, ONE.seed),
    "a deep header": lambda: signed("[" * 300, CLAIMS, ONE.seed),
    "no object": lambda: signed(compact(HEADER), "[1]", ONE.seed),
    "no JSON": lambda: signed(compact(HEADER), "{", ONE.seed),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_we_did_not_write_is_not_read(name):
    assert signing.read(FORGED[name](), typ=TYP) is None


def test_the_forger_writes_what_we_read():
    """Otherwise the forgeries above could be refused for their looks."""
    assert signing.read(signed(compact(HEADER), CLAIMS, ONE.seed), typ=TYP) == CLAIMS


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
@pytest.mark.parametrize("key", [lambda: public_of(ONE).encode(), lambda: ONE.seed])
def test_the_public_half_is_no_password(algorithm, key):
    content = packed(compact(HEADER | {"alg": algorithm}), CLAIMS)
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[algorithm]
    mac = base64url(hmac.digest(key(), content.encode(), digest))
    assert signing.read(f"{content}.{mac}", typ=TYP) is None
    # Of the right length and under the header we write.
    content = packed(compact(HEADER), CLAIMS)
    mac = base64url(hmac.digest(key(), content.encode(), hashlib.sha512))
    assert signing.read(f"{content}.{mac}", typ=TYP) is None


def test_changed_anywhere_it_is_not_read():
    token = signing.sign(CLAIMS, typ=TYP)
    changed = [
        token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        for at in range(len(token))
    ]
    cut = [token[:at] for at in range(len(token))]
    more = [token + end for end in ("A", "=", ".", ".A", " ", "\n", "\x00")]
    assert {signing.read(each, typ=TYP) for each in changed + cut + more} == {None}


def test_too_long_is_not_read_though_genuine():
    assert signing.read(signing.sign({"a": "x" * 9000}, typ=TYP), typ=TYP) is None
    assert signing.read(signing.sign({"a": "x" * 5000}, typ=TYP), typ=TYP) is not None


PART = st.text() | st.binary().map(base64url)
HEAD = st.just(base64url(compact(HEADER).encode()))  # as we write it
SIGNATURE = st.binary(min_size=64, max_size=64).map(base64url)


@given(st.text() | st.tuples(PART | HEAD, PART, PART | SIGNATURE).map(".".join))
def test_anything_else_is_nothing(text):
    assert signing.read(text, typ=TYP) is None


@given(st.binary(max_size=80))
def test_any_claims_signed_by_us_never_break(raw):
    content = f"{signing.sign({}, typ=TYP).partition('.')[0]}.{base64url(raw) or 'A'}"
    key = signing._keys((ONE,))[0].private_key
    token = f"{content}.{base64url(key.sign(content.encode()))}"
    assert isinstance(signing.read(token, typ=TYP), dict | None)


def test_no_private_part_is_shown(settings, capsys):
    seed = read_signing_keys(f"rfc:{RFC_SEED}")
    settings.SIGNING_KEYS = seed
    out = io.StringIO()
    call_command("diffsettings", stdout=out)
    shown = [
        out.getvalue(),
        repr(settings.SIGNING_KEYS),
        str(seed[0]),
        repr(SafeExceptionReporterFilter().get_safe_settings()),
        repr(signing._keys(seed)),
        repr(signing.published()),
        signing.sign(CLAIMS, typ=TYP),
    ]
    assert "SigningSeed(kid='rfc')" in shown[0]
    forms = [RFC_SEED, seed[0].seed.hex(), repr(seed[0].seed)[2:-1], '"d"', "'d'"]
    assert [(form, text) for text in shown for form in forms if form in text] == []


def test_the_command_prints_one_that_can_be_read():
    out = io.StringIO()
    call_command("make_signing_key", stdout=out)
    (key,) = read_signing_keys(out.getvalue())
    assert len(key.seed) == 32
