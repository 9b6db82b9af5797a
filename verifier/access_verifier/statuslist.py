"""Token Status List, as in draft-ietf-oauth-status-list-21: one small number for each index."""

import zlib
from dataclasses import dataclass, field
from typing import Any

from access_verifier import fields
from access_verifier.jose import Malformed, decode_segment

TYPE = "statuslist+jwt"
LONGEST = 8 * 1024 * 1024
LONGEST_UNPACKED = 16 * 1024 * 1024

VALID = 0


@dataclass(frozen=True, slots=True)
class StatusList:
    """Times are seconds by the portal's clock; `ttl` is how long the portal says to keep it."""

    issued_at: float
    expires_at: float
    ttl: float
    bits: int
    packed: bytes = field(repr=False)

    def fresh(self, now: float, oldest: float) -> bool:
        # Either way: the portal's clock may have been set back since.
        return now < self.expires_at and abs(now - self.issued_at) <= oldest

    def status(self, index: int) -> int | None:
        """Return the status at this index, None when the list does not reach so far."""
        byte, bit = divmod(index * self.bits, 8)
        if byte >= len(self.packed):
            return None
        return (self.packed[byte] >> bit) & ((1 << self.bits) - 1)


def read_status_list(claims: dict[str, Any], *, uri: str, issuer: str) -> StatusList:
    """Raise Malformed unless it is the list of this address, whole and of a size to hold."""
    if claims.get("sub") != uri or claims.get("iss", issuer) != issuer:
        raise Malformed("it is another list")
    entry = fields.part(claims, "status_list")
    bits = fields.count(entry, "bits")
    if bits not in {1, 2, 4, 8}:
        raise Malformed("bits is 1, 2, 4 or 8")
    issued_at = fields.seconds(claims, "iat")
    return StatusList(
        issued_at=issued_at,
        expires_at=fields.seconds(claims, "exp") if "exp" in claims else float("inf"),
        ttl=fields.seconds(claims, "ttl") if "ttl" in claims else 0.0,
        bits=bits,
        packed=_unpack(fields.text(entry, "lst")),
    )


def _unpack(lst: str) -> bytes:
    """Never unpack more than is wanted: a few bytes can pretend to be gigabytes."""
    if not lst.isascii():
        raise Malformed("lst is not base64url")
    packed = decode_segment(lst.encode())
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(packed, LONGEST_UNPACKED)
    except zlib.error:
        raise Malformed("lst is not deflated") from None
    if not unpacking.eof or unpacking.unused_data:
        raise Malformed("lst is cut short, too long, or more than one list")
    return found
