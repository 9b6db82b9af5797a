"""The Token Status List, draft-ietf-oauth-status-list-21: one bit for each key, 1 when its tokens
are refused, for verifiers that know the draft and nothing of our snapshots.

Anybody may read it. A key's place tells nothing, as the database shuffles them in blocks
(migration 0004), and the list is always whole blocks long. So it tells how many of the keys that
have not expired are refused, and neither whose they are nor how many there are. One bit, as a
token is refused either way; whether a key is revoked or suspended is its holder's business.

What it promises: whatever was taken away when it was asked for is in it; what was given back is
in it within five seconds.
"""

import json
import threading
import time
import zlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import OperationalError
from django.urls import reverse

from portal.credentials import remembered
from portal.credentials.judged import judged_at
from portal.gateway import signing
from portal.prepared import PATIENCE, TextStatement

TYPE: Final = "statuslist+jwt"
BLOCK: Final = 1 << 18  # places; migration 0004 shuffles within as many
TTL: Final = 5  # seconds a reader keeps it, and a state of it is kept here
HOLDS: Final = 15  # seconds

# Of keys that may have a token somewhere: claimed, and not over before the last of them ended.
# A key is refused where its grant is (portal/credentials/judged.py), where it is not in use, and
# where a case says so: those are `stopped`.
_REFUSED = TextStatement(
    "status_list",
    """
    WITH JUDGED,
    stopped AS (
        SELECT DISTINCT item.credential_id AS id FROM credentials_revocation AS case_
        JOIN credentials_revocationitem AS item ON item.revocation_id = case_.id
        WHERE case_.confirmed_at IS NOT NULL
           OR (case_.contained_at IS NOT NULL AND case_.released_at IS NULL))
    SELECT (SELECT last_value FROM credentials_status_index),
           EXISTS (SELECT FROM stop WHERE level = 'everything'),
           json_agg(key.status_index)
    FROM credentials_credential AS key
    JOIN judged ON judged.id = key.grant_id
    LEFT JOIN stopped ON stopped.id = key.id
    WHERE key.claimed_at IS NOT NULL
      AND key.expires_at > statement_timestamp() - interval '2 minutes'
      AND NOT (key.status = 'active' AND key.expires_at > statement_timestamp()
               AND judged.why IS NULL AND stopped.id IS NULL)
    """.replace("JUDGED", judged_at("statement_timestamp()")),
)


@dataclass(frozen=True, slots=True)
class _Kept:
    lst: str
    moment: int
    until: float


_kept: _Kept | None = None
_building = threading.Lock()


def address() -> str:
    """Where it stands: what tokens name, and what it says it is."""
    return f"{settings.BASE_URL}{reverse('status_list')}"


def reference(index: int) -> dict[str, Any]:
    """The `status` claim of a token whose key has this place (section 6.2)."""
    return {"status_list": {"idx": index, "uri": address()}}


def make() -> str:
    """Return the signed list as it is now (section 5.1).

    Raises OperationalError when PostgreSQL does not say in time.
    """
    lst = _current()
    now = int(time.time())
    claims = {
        "iss": settings.BASE_URL,
        "sub": address(),
        "iat": now,
        "exp": now + HOLDS,
        "ttl": TTL,
        "status_list": {"bits": 1, "lst": lst, "aggregation_uri": aggregation()},
    }
    return signing.sign(claims, typ=TYPE)


def aggregation() -> str:
    """Where all our lists are named (section 9)."""
    return f"{settings.BASE_URL}{reverse('status_lists')}"


def _current() -> str:
    """What is kept, while nothing at all was taken away since: gateways ask the same again and
    again. One thread builds it anew, so that many who ask at once cost as much as one; and as
    anybody may ask, nobody waits behind others longer than for PostgreSQL itself.
    """
    global _kept  # noqa: PLW0603 - one for each process, exchanged as a whole
    if not _building.acquire(timeout=PATIENCE):
        raise OperationalError("Others wait for the database already.")
    try:
        remembered.prove(0.0)
        # Before it is read: what comes in between is then looked for again the next time.
        moment, kept = remembered.moment(), _kept
        if kept and kept.moment == moment and time.monotonic() < kept.until:
            return kept.lst
        until = time.monotonic() + TTL
        _kept = _Kept(_build(), moment, until)
        return _kept.lst
    finally:
        _building.release()


def _build() -> str:
    row = _REFUSED.row()
    if row is None:
        raise RuntimeError("an aggregate without a row")
    places = (int(row[0]) // BLOCK + 1) * BLOCK
    if row[1] == "t":
        raw = bytearray(b"\xff" * (places // 8))
    else:
        raw = bytearray(places // 8)
        for index in json.loads(row[2] or "[]"):
            raw[index >> 3] |= 1 << (index & 7)
    return urlsafe_b64encode(zlib.compress(raw, 9)).rstrip(b"=").decode()
