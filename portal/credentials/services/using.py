"""What doors noted of keys in use, in one statement each however many keys.

Plain SQL, because the ORM has neither GREATEST in an upsert nor a join with what was sent. Rows are
taken in the order of their ids, so that two processes never wait for each other in a ring.
"""

from collections.abc import Mapping
from datetime import datetime

from django.db import connection

from portal.peppers import Rehashed

_USES = """
INSERT INTO credentials_credentialuse AS known (credential_id, last_used_at)
SELECT key.id, seen.at
FROM unnest(%s::text[], %s::timestamptz[]) AS seen (kid, at)
JOIN credentials_credential AS key ON key.kid = seen.kid
ORDER BY key.id
ON CONFLICT (credential_id) DO UPDATE
SET last_used_at = GREATEST(known.last_used_at, EXCLUDED.last_used_at)
"""

# Keys somebody holds are passed over: their next use brings the hash again.
_REHASHED = """
WITH stale AS (
    SELECT key.id, new.version, new.digest
    FROM unnest(%s::text[], %s::bytea[], %s::int[], %s::bytea[]) AS new (kid, old, version, digest)
    JOIN credentials_credential AS key ON key.kid = new.kid AND key.digest = new.old
    ORDER BY key.id
    FOR NO KEY UPDATE OF key SKIP LOCKED
)
UPDATE credentials_credential AS key
SET pepper_version = stale.version, digest = stale.digest
FROM stale WHERE key.id = stale.id
"""


def store_uses(*, uses: Mapping[str, datetime]) -> None:
    """By kid, when each was last let through. Never goes backwards; leaves unknown kids out."""
    with connection.cursor() as cursor:
        cursor.execute(_USES, [list(uses), list(uses.values())])


def store_rehashed(*, rehashed: Mapping[str, Rehashed]) -> None:
    """By kid, hashes under a newer pepper, each where the older one still stands."""
    hashes = rehashed.values()
    columns = (
        [each.old for each in hashes],
        [each.version for each in hashes],
        [each.digest for each in hashes],
    )
    with connection.cursor() as cursor:
        cursor.execute(_REHASHED, [list(rehashed), *columns])
