"""How a partner verifies an event: shown on the endpoint's page, and in docs/webhooks.md."""

from collections.abc import Sequence

_SNIPPET = '''\
import base64, time
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PUBLIC_KEYS = {keys}


def verify(headers, body):
    """Raise ValueError unless the portal sent these bytes within five minutes.

    `headers` with names in lower case; `body` as it arrived, before any parsing.
    """
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > 300:
        raise ValueError("too old, or from the future")
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    for signature in headers["webhook-signature"].split():
        version, _, encoded = signature.partition(",")
        for key in PUBLIC_KEYS if version == "v1a" else []:
            public = base64.b64decode(key.removeprefix("whpk_"))
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(encoded), signed)
                return message_id
            except InvalidSignature:
                continue
    raise ValueError("not signed by the portal")
'''


def snippet(public_keys: Sequence[str]) -> str:
    """Python that works as pasted, with these keys in it."""
    listed = ", ".join(f'"{key}"' for key in public_keys)
    return _SNIPPET.replace("{keys}", f"[{listed}]")
