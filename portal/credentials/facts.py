"""What is true of a key: everything the answer depends on, read in one statement.

Nothing here is stored twice: whatever can take access away is read where it is written.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from portal.credentials.enums import KeyKind
from portal.prepared import Statement


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of one key at the moment of asking."""

    kid: str
    key_status: str
    key_expires_at: datetime | None
    key_scopes: frozenset[str]
    claimed_at: datetime | None
    grant_ref: str
    grant_status: str
    grant_starts_at: datetime
    grant_ends_at: datetime
    grant_scopes: frozenset[str]
    requests_per_minute: int
    tokens_per_day: int
    holder_ref: str
    holder_active: bool
    organization_ref: str | None
    organization_active: bool | None  # None: the holder is here on their own
    member: bool | None  # of that organisation, now; None likewise
    phase_ref: str
    phase_halted: bool
    release_ref: str
    agreement_current: bool
    # The levels at which a freeze is in force, and what cases of revocation make of the key.
    frozen: frozenset[str]
    audience: str
    kind: str = KeyKind.LIVE
    first_use: bool = False  # of a key that replaces another: `services.start_overlap` is due
    pepper_version: int | None = field(default=None, repr=False)
    digest: bytes | None = field(default=None, repr=False)

    @property
    def subjects(self) -> tuple[str, ...]:
        """What this rests on, as epochs name it."""
        partner = (f"organization:{self.organization_ref}",) if self.organization_ref else ()
        return (
            f"key:{self.kid}",
            f"key_end:{self.kid}",
            f"grant:{self.grant_ref}",
            f"person:{self.holder_ref}",
            f"phase:{self.phase_ref}",
            f"release:{self.release_ref}",
            *partner,
        )

    @property
    def is_test(self) -> bool:
        """Whether sandbox gateways alone take it."""
        return self.kind == KeyKind.TEST

    @property
    def scopes(self) -> frozenset[str]:
        """What the key may do: its own scopes, never more than its grant's."""
        return self.key_scopes & self.grant_scopes

    @property
    def expires_at(self) -> datetime:
        """When the key stops for certain: it never outlives its grant."""
        return min(self.key_expires_at or self.grant_ends_at, self.grant_ends_at)


CONTAINED, REVOKED = "contained", "revoked"  # by a case

# Plain SQL: this is the busiest statement of the portal, and composing it through the ORM at
# each call costs several times what running it does. The columns stand in the order of Facts.
_SQL = """
SELECT key.kid, key.status, key.expires_at, key.scopes, key.claimed_at,
       right_.ref, right_.status, right_.starts_at, right_.ends_at, right_.scopes,
       right_.requests_per_minute, right_.tokens_per_day,
       holder.ref, holder.is_active AND holder.suspended_at IS NULL,
       partner.ref, CASE WHEN partner.id IS NOT NULL THEN partner.suspended_at IS NULL END,
       CASE WHEN partner.id IS NOT NULL THEN EXISTS (
           SELECT FROM accounts_membership AS membership
           WHERE membership.organization_id = partner.id
             AND membership.user_id = right_.holder_id) END,
       phase.ref, phase.halted_at IS NOT NULL, release.ref,
       -- Of the newest agreement the holder has signed exactly this text; no agreement, no need.
       COALESCE((
           SELECT EXISTS (
               SELECT FROM programs_signature AS signature
               WHERE signature.agreement_id = agreement.id
                 AND signature.user_id = right_.holder_id
                 AND signature.sha256 = agreement.sha256)
           FROM programs_agreementversion AS agreement
           WHERE agreement.release_id = phase.release_id
           ORDER BY agreement.number DESC LIMIT 1), true),
       ARRAY(
           SELECT stop.level::text FROM credentials_freeze AS stop
           WHERE stop.lifted_at IS NULL
             AND (stop.level, stop.target) IN (
                 ('everything', ''), ('release', release.ref), ('phase', phase.ref),
                 ('organization', partner.ref), ('person', holder.ref))
           UNION ALL
           -- However many keys a case has, one row stops them: what it says of them holds before
           -- workers have written so on each.
           SELECT CASE WHEN case_.confirmed_at IS NULL THEN 'contained' ELSE 'revoked' END
           FROM credentials_revocationitem AS item
           JOIN credentials_revocation AS case_ ON case_.id = item.revocation_id
           WHERE item.credential_id = key.id
             AND (case_.confirmed_at IS NOT NULL
                  OR (case_.contained_at IS NOT NULL AND case_.released_at IS NULL))),
       release.audience,
       key.kind, key.replaces_id IS NOT NULL AND key.overlap_started_at IS NULL,
       key.pepper_version, key.digest
FROM credentials_credential AS key
JOIN credentials_grant AS right_ ON right_.id = key.grant_id
JOIN accounts_user AS holder ON holder.id = right_.holder_id
JOIN programs_rolloutphase AS phase ON phase.id = right_.phase_id
JOIN programs_modelrelease AS release ON release.id = phase.release_id
LEFT JOIN accounts_organization AS partner ON partner.id = right_.organization_id
WHERE key.kid = ANY(%s)
"""
_KEY_SCOPES, _GRANT_SCOPES, _FROZEN = 3, 9, 21
# For a kid that nobody has, the oldest key is read and thrown away: that takes as long as reading
# the one asked for, so that whoever measures does not learn which kids there are.
_SQL_OF_ONE = _SQL.replace(
    "key.kid = ANY(%s)",
    "key.id = COALESCE((SELECT id FROM credentials_credential WHERE kid = $1),"
    " (SELECT id FROM credentials_credential ORDER BY id LIMIT 1))",
)
_ONE = Statement("facts", _SQL_OF_ONE)


def read_facts(kid: str) -> Facts | None:
    """Of one key, as it is at this moment. Raises OperationalError without an answer in time."""
    row = _ONE.row(kid)
    facts = _facts(row) if row else None
    return facts if facts and facts.kid == kid else None


def read_many_facts(kids: Iterable[str]) -> list[Facts]:
    """Of a page of keys, in one statement; unknown kids are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [list(kids)])
        return [_facts(row) for row in cursor.fetchall()]


def _facts(row: Iterable[Any]) -> Facts:
    values = list(row)
    for column in (_KEY_SCOPES, _GRANT_SCOPES, _FROZEN):
        values[column] = frozenset(values[column])
    values[-1] = None if values[-1] is None else bytes(values[-1])
    return Facts(*values)
