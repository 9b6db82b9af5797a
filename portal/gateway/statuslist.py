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
from django.urls import reverse

from portal.credentials import remembered
from portal.gateway import signing
from portal.prepared import TextStatement

TYPE: Final = "statuslist+jwt"
BLOCK: Final = 1 << 18  # places; migration 0004 shuffles within as many
TTL: Final = 5  # seconds a reader keeps it, and a state of it is kept here
HOLDS: Final = 15  # seconds

# Of keys that may have a token somewhere: claimed, and not over before the last of them ended.
# What is compared is what decides at the doors (portal/credentials/facts.py).
_REFUSED = TextStatement(
    "status_list",
    """
    SELECT (SELECT last_value FROM credentials_status_index),
           EXISTS (SELECT FROM credentials_freeze WHERE level = 'everything' AND lifted_at IS NULL),
           json_agg(key.status_index)
    FROM credentials_credential AS key
    JOIN credentials_grant AS right_ ON right_.id = key.grant_id
    JOIN accounts_user AS holder ON holder.id = right_.holder_id
    JOIN programs_rolloutphase AS phase ON phase.id = right_.phase_id
    JOIN programs_modelrelease AS release ON release.id = phase.release_id
    LEFT JOIN accounts_organization AS partner ON partner.id = right_.organization_id
    WHERE key.claimed_at IS NOT NULL
      AND key.expires_at > statement_timestamp() - interval '2 minutes'
      AND NOT (
          key.status = 'active' AND key.expires_at > statement_timestamp()
          AND right_.status = 'active'
          AND right_.starts_at <= statement_timestamp() AND statement_timestamp() < right_.ends_at
          AND holder.is_active AND holder.suspended_at IS NULL
          AND phase.halted_at IS NULL
          AND (partner.id IS NULL OR (partner.suspended_at IS NULL AND EXISTS (
              SELECT FROM accounts_membership AS membership
              WHERE membership.organization_id = partner.id
                AND membership.user_id = right_.holder_id)))
          AND COALESCE((
              SELECT EXISTS (
                  SELECT FROM programs_signature AS signature
                  WHERE signature.agreement_id = agreement.id
                    AND signature.user_id = right_.holder_id
                    AND signature.sha256 = agreement.sha256)
              FROM programs_agreementversion AS agreement
              WHERE agreement.release_id = phase.release_id
              ORDER BY agreement.number DESC LIMIT 1), true)
          AND NOT EXISTS (
              SELECT FROM credentials_freeze AS stop
              WHERE stop.lifted_at IS NULL
                AND (stop.level, stop.target) IN (
                    ('release', release.ref), ('phase', phase.ref),
                    ('organization', partner.ref), ('person', holder.ref)))
          AND NOT EXISTS (
              SELECT FROM credentials_revocationitem AS item
              JOIN credentials_revocation AS case_ ON case_.id = item.revocation_id
              WHERE item.credential_id = key.id
                AND (case_.confirmed_at IS NOT NULL
                     OR (case_.contained_at IS NOT NULL AND case_.released_at IS NULL))))
    """,
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
    again. One thread builds it anew, so that many who ask at once cost as much as one.
    """
    global _kept  # noqa: PLW0603 - one for each process, exchanged as a whole
    with _building:
        remembered.prove(0.0)
        # Before it is read: what comes in between is then looked for again the next time.
        moment, kept = remembered.moment(), _kept
        if kept and kept.moment == moment and time.monotonic() < kept.until:
            return kept.lst
        until = time.monotonic() + TTL
        _kept = _Kept(_build(), moment, until)
        return _kept.lst


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
