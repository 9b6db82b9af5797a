"""Compact JWS (RFC 7515, section 7.1), read as strictly as can be: EdDSA with Ed25519 (RFC 8037).

Keys are read by joserfc. Signed text is taken apart here: every request pays for it, and joserfc's
general reading costs a third of what the signature itself does. So there is nothing general in it:
three header members, one algorithm, and exactly one way to spell each byte.
"""

import json
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from access_verifier.codes import Code, Unreadable

ALGORITHM = "EdDSA"
HEADER = {"alg", "typ", "kid"}
SIGNATURE_BYTES = 64

# Headers seen under good signatures, at most: there is one for each key and kind of text.
_MOST_HEADERS = 64

# To the alphabet that is decoded; what belongs to that one alone becomes what no alphabet holds.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_LAST = {1: b"AEIMQUYcgkosw048", 2: b"AQgw", 3: b""}

Claims = dict[str, Any]


class Malformed(Unreadable):
    def __init__(self, what: str) -> None:
        super().__init__(Code.MALFORMED, what)


@dataclass(frozen=True)
class KeySet:
    """Ed25519 public keys by their ids, and what was found good under them.

    A change of keys is another KeySet, so whatever is kept here dies with a withdrawn key.
    """

    keys: Mapping[str, Ed25519PublicKey]
    headers: dict[bytes, tuple[str, str]] = field(default_factory=dict, compare=False, repr=False)


def read_key_set(document: bytes) -> KeySet:
    """Read a JWK Set (RFC 7517, section 5). Keys for other purposes are passed over.

    Raises Malformed when it is no key set or one id names two keys.
    """
    members = read_object(document).get("keys")
    if not isinstance(members, list):
        raise Malformed("a key set without keys")
    found: dict[str, Ed25519PublicKey] = {}
    for kid, key in _usable(members):
        if kid in found:
            raise Malformed("two keys under one id")
        found[kid] = key
    return KeySet(found)


def _usable(members: Iterable[Any]) -> Iterable[tuple[str, Ed25519PublicKey]]:
    for member in members:
        if not isinstance(member, dict) or "d" in member:
            continue
        kid, alg = member.get("kid"), member.get("alg", ALGORITHM)
        if not isinstance(kid, str) or not kid:
            continue
        # One algorithm under two names: RFC 8037, and RFC 9864, which tells the curves apart.
        if alg not in (ALGORITHM, "Ed25519") or member.get("use", "sig") != "sig":
            continue
        try:
            key = OKPKey.import_key(member).public_key
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, Ed25519PublicKey):
            yield kid, key


def open_signed(text: str, *, typ: str, keys: KeySet, longest: int) -> Claims:
    """Return the claims of a compact JWS of this type that one of these keys has signed.

    Nothing of the payload is looked at before its signature is known to be good. Raises
    Unreadable for everything else.
    """
    if len(text) > longest or not text.isascii():
        raise Malformed("too long, or not ASCII")
    signing_input, _, last = text.encode().rpartition(b".")
    first, dot, payload = signing_input.partition(b".")
    if not dot or b"." in payload:
        raise Malformed("not three parts")
    known = keys.headers.get(first)
    found, kid = known or _read_header(first)
    if found != typ:
        raise Malformed("of another type")
    key = keys.keys.get(kid)
    if key is None:
        raise Unreadable(Code.UNKNOWN_SIGNING_KEY, "signed by a key that is not known")
    signature = decode_segment(last)
    if len(signature) != SIGNATURE_BYTES:
        raise Unreadable(Code.BAD_SIGNATURE, "a signature of another length")
    try:
        key.verify(signature, signing_input)
    except InvalidSignature:
        raise Unreadable(Code.BAD_SIGNATURE, "the signature is not this key's") from None
    if known is None and len(keys.headers) < _MOST_HEADERS:
        keys.headers[first] = (found, kid)
    return read_object(decode_segment(payload))


def _read_header(segment: bytes) -> tuple[str, str]:
    """Return (typ, kid). Any other member, whatever it asks for, makes the text unreadable."""
    header = read_object(decode_segment(segment))
    typ, kid = header.get("typ"), header.get("kid")
    if header.keys() != HEADER or header["alg"] != ALGORITHM:
        raise Malformed("another algorithm, or header members beyond alg, typ and kid")
    if not isinstance(typ, str) or not isinstance(kid, str):
        raise Malformed("typ and kid are text")
    return typ.removeprefix("application/"), kid  # RFC 7515, section 4.1.9


def decode_segment(segment: bytes) -> bytes:
    """Base64url without padding. Spellings that only mean the same are refused."""
    missing = -len(segment) % 4
    # The last letter of a part of four must not hold bits that are no byte's.
    if missing and segment[-1] not in _LAST[missing]:
        raise Malformed("not the one spelling of these bytes")
    try:
        return a2b_base64(segment.translate(_TO_STANDARD) + b"=" * missing, strict_mode=True)
    except NotBase64:
        raise Malformed("not base64url") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Claims:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("a member stands there twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant)


def read_object(raw: bytes) -> Claims:
    """One JSON object in UTF-8 with each member once, at any depth (RFC 7515, section 4)."""
    try:
        value = _JSON.decode(raw.decode())
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value
