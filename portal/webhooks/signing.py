"""Signatures of Standard Webhooks, asymmetric (`v1a`): Ed25519, no secret shared with anybody.

The keys are derived from SIGNING_KEYS, so they are replaced with them (docs/operations.md), and
are no other's: what signs a token never signs an event (docs/adr/0013). Every key signs, so a
partner goes on verifying with the old public key until it is taken out of SIGNING_KEYS.
"""

import base64
import functools

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from portal.variables import SigningSeed

_PURPOSE = b"tap/webhooks/v1a/1"
_KEY_BYTES = 32


def headers(message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers that go with `body`."""
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    signatures = (base64.b64encode(key.sign(signed)).decode() for key in _keys(_seeds()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1a,{each}" for each in signatures),
    }


def public_keys() -> list[str]:
    """As partners put them into their verifier, the newest first: `whpk_` and base64."""
    return [
        "whpk_"
        + base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
        for key in _keys(_seeds())
    ]


def _seeds() -> tuple[SigningSeed, ...]:
    return tuple(settings.SIGNING_KEYS)


@functools.lru_cache(maxsize=4)
def _keys(seeds: tuple[SigningSeed, ...]) -> tuple[Ed25519PrivateKey, ...]:
    return tuple(
        Ed25519PrivateKey.from_private_bytes(
            HKDF(SHA256(), _KEY_BYTES, salt=None, info=_PURPOSE).derive(each.seed)
        )
        for each in seeds
    )
