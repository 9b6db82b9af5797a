"""What we sign, and how it is recognised: Ed25519, as compact JWS (RFC 7515, RFC 8037).

SIGNING_KEYS holds the keys. The first signs; all are published, so that one is replaced without
a token refused (docs/operations.md). The private parts live in the environment and in the memory
of a process, nowhere else.

The algorithm is called EdDSA here: RFC 9864 has the more exact name `Ed25519`, which most
libraries that check tokens do not know yet. The curve stands in the published key, and no key of
another curve is ever used, so nothing is left open.
"""

import functools
import re
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwa import EdDSAAlgorithm
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from portal.variables import SigningSeed

ALGORITHM: Final = "EdDSA"
LONGEST: Final = 8 * 1024  # characters; what proxies let through in one header

# A header, claims, and the 64 bytes of a signature, each base64url without padding.
_COMPACT = re.compile(r"([0-9A-Za-z_-]+)\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]{86}")

Seeds = tuple[SigningSeed, ...]


class _EdDSA(EdDSAAlgorithm):
    security_warning = ""  # see above


class _OurAlgorithm(JWSRegistry):
    """Knows one algorithm: no `none` and no HMAC to be confused with."""

    algorithms = {ALGORITHM: _EdDSA()}


_REGISTRY = _OurAlgorithm(algorithms=[ALGORITHM])


def sign(claims: Mapping[str, Any], *, typ: str) -> str:
    """Return these claims as a compact JWS of the first key, with this `typ` in its header."""
    return _written(_keys(settings.SIGNING_KEYS)[0], typ, claims)


def read(token: str, *, typ: str) -> dict[str, Any] | None:
    """Return the claims if one of our keys signed them under this `typ`; None for all else.

    Looks at the signature only: what the claims say, their end among it, is the caller's to check.

    The header is taken only as we write it, to the letter, which is what names the key. Nothing
    in it is parsed, so nothing in it is followed or believed: no `jku`, `jwk`, `crit`, no other
    algorithm.
    """
    found = _COMPACT.fullmatch(token) if len(token) <= LONGEST else None
    key = _by_header(settings.SIGNING_KEYS, typ).get(found[1]) if found else None
    if key is None:
        return None
    try:
        return jwt.decode(token, key, registry=_REGISTRY).claims
    except JoseError:
        return None


def published() -> dict[str, list[dict[str, Any]]]:
    """Return the public halves as a JWK Set (RFC 7517, section 5), the signing one first."""
    return {"keys": [dict(key.as_dict(private=False)) for key in _keys(settings.SIGNING_KEYS)]}


def _written(key: OKPKey, typ: str, claims: Mapping[str, Any]) -> str:
    header = {"typ": typ, "alg": ALGORITHM, "kid": key.kid}
    return jwt.encode(header, dict(claims), key, registry=_REGISTRY)


@functools.lru_cache(maxsize=4)
def _keys(seeds: Seeds) -> tuple[OKPKey, ...]:
    return tuple(
        OKPKey.import_key(
            Ed25519PrivateKey.from_private_bytes(each.seed),
            {"kid": each.kid, "use": "sig", "alg": ALGORITHM},
        )
        for each in seeds
    )


@functools.lru_cache(maxsize=16)
def _by_header(seeds: Seeds, typ: str) -> dict[str, OKPKey]:
    """The keys, by the first part of whatever they sign under this `typ`."""
    return {_written(key, typ, {}).partition(".")[0]: key for key in _keys(seeds)}
