"""The key itself: its format, how one is made, how one is recognised.

    tpk_live_<kid 16>_<secret 43><crc 6>        base62, 75 characters; tpk_test_ in a sandbox

The kid is random and public: loggable, searchable, never authenticating. The checksum covers
all before it, so a gateway or a secret scanner drops junk without asking anybody. Of the key
only a keyed hash is stored; the key exists in the one answer that hands it over.
"""

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Final, Literal

from portal import peppers

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
KID_LENGTH: Final = 16
# Each character is drawn uniformly from 62, so 43 of them hold 43 * log2(62) = 256.03 bits,
# just over the 256 that were asked for; 42 would hold 250.
SECRET_LENGTH: Final = 43
CRC_LENGTH: Final = 6  # 62**6 is 5.7e10, more than the 2**32 values of a CRC-32
LENGTH: Final = len("tpk_live_") + KID_LENGTH + 1 + SECRET_LENGTH + CRC_LENGTH

_CONTEXT = b"tpk/1"
_FORMAT = re.compile(r"tpk_(?:live|test)_([0-9A-Za-z]{16})_[0-9A-Za-z]{49}")
_ANYWHERE = re.compile(_FORMAT.pattern + r"(?![0-9A-Za-z])")

Kind = Literal["live", "test"]


@dataclass(frozen=True, slots=True)
class Minted:
    """A new key and what may be stored of it. Printing it shows neither."""

    token: str = field(repr=False)
    digest: bytes = field(repr=False)
    pepper_version: int


def new_kid() -> str:
    """Return a fresh public key id: 95 random bits."""
    return _random(KID_LENGTH)


def mint(kid: str, kind: Kind = "live") -> Minted:
    """Make the key of this kid. Store digest and version; hand the token over and forget it."""
    body = f"tpk_{kind}_{kid}_{_random(SECRET_LENGTH)}"
    token = body + _checksum(body)
    if parse(token) != kid:
        raise ValueError("A kid is 16 characters of base62 and a kind is live or test.")
    version, digest = peppers.keyed_hash(_CONTEXT, token.encode())
    return Minted(token=token, digest=digest, pepper_version=version)


def parse(token: str) -> str | None:
    """Return the kid if this could be one of our keys: shape and checksum hold. Asks nobody."""
    if len(token) != LENGTH:
        return None
    found = _FORMAT.fullmatch(token)
    if found is None or _checksum(token[:-CRC_LENGTH]) != token[-CRC_LENGTH:]:
        return None
    return found[1]


def find(text: str) -> str | None:
    """Return the first key that stands anywhere in the text, where it should not be."""
    return next((m[0] for m in _ANYWHERE.finditer(text) if parse(m[0])), None)


def verify_digest(token: str, version: int | None, digest: bytes | None) -> bool:
    """Whether this token was stored as this digest; None, an unknown kid, costs the same."""
    return peppers.matches(_CONTEXT, token.encode(), version, digest)


def rehash(token: str, version: int | None) -> peppers.Rehashed | None:
    """For a key that was just verified under this version of the pepper."""
    return peppers.rehash(_CONTEXT, token.encode(), version)


def _random(length: int) -> str:
    """Every text of this length is equally likely: one number is drawn below how many there are."""
    return _base62(secrets.randbelow(len(ALPHABET) ** length), length)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CRC_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
