"""Which gateway is asking: HTTP Basic with a client id and secret (RFC 6749, section 2.3.1).

An unknown gateway, a disabled one and a wrong secret cost the same and get the same answer.
"""

import base64
import binascii
import re
import secrets
import string
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_plus

from portal import peppers
from portal.batches import Batch
from portal.credentials import remembered
from portal.credentials.known import seal
from portal.gateway.models import Gateway

_CONTEXT = b"tpg/1"
_ALPHABET = string.ascii_letters + string.digits
_SECRET_LENGTH = 43  # of 62 characters: 256.03 bits
_BASIC = re.compile(r"Basic +([0-9A-Za-z+/]+=*)", re.IGNORECASE)
_CLIENT_ID = re.compile(r"GW-[0-9A-Z]{1,13}")
_LONGEST = 512


class _Stored(NamedTuple):
    version: int
    digest: bytes
    audience: str
    release: str
    sandbox: bool


# By client id, secrets still hashed under an older pepper, as they are used.
stale: Batch[peppers.Rehashed] = Batch(10_000)


@dataclass(frozen=True, slots=True)
class Caller:
    """A gateway that has proved who it is. It sees keys of its own release only."""

    client_id: str
    audience: str
    sandbox: bool = False


def new_secret() -> str:
    """Return a fresh client secret. The prefix lets a secret scanner know it."""
    return "tpg_" + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))


def hash_secret(client_id: str, secret: str) -> tuple[int, bytes]:
    """Return (pepper version, digest), bound to the gateway it is for."""
    return peppers.keyed_hash(_CONTEXT, _message(client_id, secret))


def authenticate(header: str | None, *, within: float | None = 0.0) -> Caller | None:
    """Return who presents these Basic credentials, or None.

    `within`: as portal.credentials.verification.verify has it.
    """
    # Known again by the header as it was sent: reading it takes as long as all the rest.
    name = seal(b"gateway", (header or "").encode(errors="replace"))
    if remembered.holds(name) and within is not None:
        remembered.prove(within)
    known: Caller | None = remembered.recall(name)
    return known or _authenticate_anew(header or "", name)


def _authenticate_anew(header: str, name: bytes) -> Caller | None:
    client_id, secret = basic_credentials(header)
    message = _message(client_id, secret)
    # A process that was asked about nothing but junk yet keeps nothing, so it begins here.
    if _CLIENT_ID.fullmatch(client_id) and not remembered.has_begun():
        remembered.prove(0.0)
    moment = remembered.moment()
    stored = _stored(client_id)
    version, digest = (stored.version, stored.digest) if stored else (None, None)
    if not peppers.matches(_CONTEXT, message, version, digest) or stored is None:
        return None
    if rehashed := peppers.rehash(_CONTEXT, message, stored.version):
        stale.note(client_id, rehashed)
    caller = Caller(client_id, stored.audience, stored.sandbox)
    # The audience is the release's, and changes with it.
    subjects = (f"gateway:{client_id}", f"release:{stored.release}")
    remembered.remember(name, caller, subjects=subjects, moment=moment)
    return caller


def basic_credentials(header: str) -> tuple[str, str]:
    """Decode base64, then each half as a form would be; ("", "") for anything else."""
    found = _BASIC.fullmatch(header) if len(header) <= _LONGEST else None
    try:
        text = base64.b64decode(found[1], validate=True).decode() if found else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _stored(client_id: str) -> _Stored | None:
    if not _CLIENT_ID.fullmatch(client_id):
        return None
    row = (
        Gateway.objects.filter(client_id=client_id, disabled_at=None)
        .values_list("pepper_version", "digest", "release__audience", "release__ref", "sandbox")
        .first()
    )
    return _Stored(row[0], bytes(row[1]), *row[2:]) if row else None


def _message(client_id: str, secret: str) -> bytes:
    return f"{client_id}:{secret}".encode(errors="replace")
