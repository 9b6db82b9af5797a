"""Keyed hashing of high-entropy secrets, with versions.

The peppers come from the environment and live outside the database: who reads the tables alone
can neither test a guess nor forge a row. The first that is listed hashes, all of them verify. So a
pepper is replaced without a flag day: a new one is listed last until every process knows it, and
then first.

Not argon2 or PBKDF2: what is hashed here is random and at least 256 bits long, so stretching
adds nothing, and a slow hash would make every bad key a denial of service.
"""

import hashlib
import hmac
from dataclasses import dataclass, field

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Rehashed:
    """A digest to be stored in place of one made under an older pepper, while that one stands."""

    old: bytes = field(repr=False)
    version: int
    digest: bytes = field(repr=False)


def current() -> int:
    """The version that hashes."""
    return int(next(iter(settings.CREDENTIAL_PEPPERS)))


def keyed_hash(context: bytes, message: bytes) -> tuple[int, bytes]:
    """Return (pepper version, digest) of the message under the current pepper.

    `context` says what is hashed (`tpk/1`), so that a digest of one kind never passes as another.
    """
    version = current()
    return version, _digest(settings.CREDENTIAL_PEPPERS[version], context, message)


def rehash(context: bytes, message: bytes, stored: int | None) -> Rehashed | None:
    """Of a message that was found good: its hash under the current pepper, when the one stored is
    of an older. This is how a pepper goes out of use: whatever is used moves to the next by itself.
    Never back: where processes disagree for a while, none undoes what another did.
    """
    if stored is None or stored >= current():
        return None
    old = _digest(settings.CREDENTIAL_PEPPERS[stored], context, message)
    return Rehashed(old, *keyed_hash(context, message))


def matches(context: bytes, message: bytes, version: int | None, digest: bytes | None) -> bool:
    """Whether the message has this digest; in the same time whether it has or not.

    Without a digest, or with a version whose pepper is gone, the same work is done and the answer
    is no: somebody who measures learns nothing about what is stored.
    """
    peppers = settings.CREDENTIAL_PEPPERS
    known = digest is not None and version in peppers
    pepper = peppers[version] if version in peppers else peppers[current()]
    same = hmac.compare_digest(_digest(pepper, context, message), digest or bytes(32))
    return same and known


def _digest(pepper: bytes, context: bytes, message: bytes) -> bytes:
    return hmac.digest(pepper, context + b"\x00" + message, hashlib.sha256)
