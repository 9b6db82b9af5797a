"""Is this key good, here, for this, now? One pure decision, asked by every door.

`load_facts` reads everything the answer depends on in one statement, straight from PostgreSQL;
`decide` says yes only if no level denies. Nothing is cached, so what a transaction committed
holds at the very next call: a revocation, a suspension, a halted phase. Expiry is compared with
the clock here and never waits for a job.

A new level (a freeze) is added in this file only: a field of Facts, its column in the
statement, its line in LEVELS.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection
from django.utils import timezone

from portal.credentials import secrets
from portal.credentials.enums import CredentialStatus, DenyCode, GrantStatus
from portal.verdict import Verdict, allow, deny


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
    phase_ref: str
    release_ref: str
    organization_active: bool | None  # None: the holder is here on their own
    member: bool | None  # of that organisation, now; None likewise
    phase_halted: bool
    agreement_current: bool
    audience: str
    pepper_version: int | None = field(default=None, repr=False)
    digest: bytes | None = field(default=None, repr=False)

    @property
    def scopes(self) -> frozenset[str]:
        """What the key may do: its own scopes, never more than its grant's."""
        return self.key_scopes & self.grant_scopes

    @property
    def expires_at(self) -> datetime:
        """When the key stops for certain: it never outlives its grant."""
        return min(self.key_expires_at or self.grant_ends_at, self.grant_ends_at)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is wanted: for which model, to do what, and when. `scope` may name several."""

    audience: str
    scope: str | None
    now: datetime


def _expired(facts: Facts, ask: Ask) -> bool:
    if facts.key_status == CredentialStatus.ACTIVE:
        return facts.key_expires_at is None or facts.key_expires_at <= ask.now
    return facts.key_status == CredentialStatus.EXPIRED


def _scope_missing(facts: Facts, ask: Ask) -> bool:
    if ask.scope is None:
        return False
    wanted = set(ask.scope.split())
    return not wanted or not wanted <= facts.scopes  # asking for nothing is not asking for all


Denies = Callable[[Facts, Ask], bool]

# Any level denies. The order decides only which reason is told when several do: what is closest
# to the key comes first, because that is what its holder can do something about; what was asked
# comes last, because it matters only for a key that works at all.
LEVELS: tuple[tuple[DenyCode, Denies], ...] = (
    (DenyCode.KEY_REVOKED, lambda f, _: f.key_status == CredentialStatus.REVOKED),
    (DenyCode.KEY_EXPIRED, _expired),
    (DenyCode.KEY_NOT_ACTIVE, lambda f, _: f.key_status != CredentialStatus.ACTIVE),
    (DenyCode.GRANT_NOT_ACTIVE, lambda f, _: f.grant_status != GrantStatus.ACTIVE),
    (
        DenyCode.GRANT_OUT_OF_DATES,
        lambda f, a: not f.grant_starts_at <= a.now < f.grant_ends_at,
    ),
    (DenyCode.HOLDER_NOT_ACTIVE, lambda f, _: not f.holder_active),
    (DenyCode.ORGANIZATION_NOT_ACTIVE, lambda f, _: f.organization_active is False),
    (DenyCode.NOT_A_MEMBER, lambda f, _: f.member is False),
    (DenyCode.PHASE_HALTED, lambda f, _: f.phase_halted),
    (DenyCode.AGREEMENT_NOT_CURRENT, lambda f, _: not f.agreement_current),
    (DenyCode.WRONG_AUDIENCE, lambda f, a: f.audience != a.audience),
    (DenyCode.SCOPE_NOT_HELD, _scope_missing),
)


def decide(facts: Facts, *, audience: str, scope: str | None, now: datetime) -> Verdict:
    """Allow only if every level does; otherwise deny with the first one's code and reason.

    `scope` is one scope, several with spaces between (all are needed), or None when the caller
    only wants to know whether the key is good.
    """
    ask = Ask(audience=audience, scope=scope, now=now)
    for code, denies in LEVELS:
        if denies(facts, ask):
            return _no(code)
    return allow()


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict; the facts only when the key itself was genuine; the kid it claimed."""

    verdict: Verdict
    facts: Facts | None
    kid: str | None


def verify(token: str, *, audience: str, scope: str | None) -> Verification:
    """Check a key somebody presented. Junk never reaches the database.

    An unknown kid and a wrong secret cost the same and get the same code.
    """
    kid = secrets.parse(token)
    if kid is None:
        return Verification(_no(DenyCode.MALFORMED), None, None)
    facts = genuine(token)
    if facts is None:
        return Verification(_no(DenyCode.UNKNOWN_KEY), None, kid)
    verdict = decide(facts, audience=audience, scope=scope, now=timezone.now())
    return Verification(verdict, facts, kid)


def genuine(token: str) -> Facts | None:
    """Return the facts of this key if we issued it, whatever became of it since."""
    kid = secrets.parse(token)
    facts = load_facts(kid) if kid else None
    version, digest = (facts.pepper_version, facts.digest) if facts else (None, None)
    return facts if secrets.verify_digest(token, version, digest) else None


def find_key(text: str) -> str | None:
    """Return the first key that stands anywhere in the text, where it should not be."""
    return secrets.find(text)


def explain(kid: str, *, scope: str | None = None) -> Verdict:
    """Say whether this key works and if not why: the same decision the doors take.

    For those who may see the key: its holder and staff. Gateways are never told the reason.
    """
    return explain_many([kid], scope=scope)[kid]


def explain_many(kids: Iterable[str], *, scope: str | None = None) -> dict[str, Verdict]:
    """`explain` for a page of keys, in one statement."""
    now = timezone.now()
    verdicts = dict.fromkeys(kids, _no(DenyCode.UNKNOWN_KEY))
    for facts in _load(_SQL, list(verdicts)):
        verdicts[facts.kid] = decide(facts, audience=facts.audience, scope=scope, now=now)
    return verdicts


def load_facts(kid: str) -> Facts | None:
    """Read everything `decide` looks at, in one statement, from PostgreSQL."""
    return next((facts for facts in _load(_ONE, kid) if facts.kid == kid), None)


# Plain SQL: this is the busiest statement of the portal, and composing it through the ORM at
# each call costs several times what running it does. The columns stand in the order of Facts.
_SQL = """
SELECT key.kid, key.status, key.expires_at, key.scopes, key.claimed_at,
       right_.ref, right_.status, right_.starts_at, right_.ends_at, right_.scopes,
       right_.requests_per_minute, right_.tokens_per_day,
       holder.ref, holder.is_active AND holder.suspended_at IS NULL,
       partner.ref, phase.ref, release.ref,
       CASE WHEN partner.id IS NOT NULL THEN partner.suspended_at IS NULL END,
       CASE WHEN partner.id IS NOT NULL THEN EXISTS (
           SELECT FROM accounts_membership AS membership
           WHERE membership.organization_id = partner.id
             AND membership.user_id = right_.holder_id) END,
       phase.halted_at IS NOT NULL,
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
       release.audience,
       key.pepper_version, key.digest
FROM credentials_credential AS key
JOIN credentials_grant AS right_ ON right_.id = key.grant_id
JOIN accounts_user AS holder ON holder.id = right_.holder_id
JOIN programs_rolloutphase AS phase ON phase.id = right_.phase_id
JOIN programs_modelrelease AS release ON release.id = phase.release_id
LEFT JOIN accounts_organization AS partner ON partner.id = right_.organization_id
WHERE key.kid = ANY(%s)
"""
# For a kid that nobody has, the oldest key is read and thrown away: that takes as long as reading
# the one asked for, so that whoever measures does not learn which kids there are.
_ONE = _SQL.replace(
    "key.kid = ANY(%s)",
    "key.id = COALESCE((SELECT id FROM credentials_credential WHERE kid = %s),"
    " (SELECT id FROM credentials_credential ORDER BY id LIMIT 1))",
)
_KEY_SCOPES, _GRANT_SCOPES = 3, 9


def _load(statement: str, asked: str | list[str]) -> list[Facts]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [asked])
        rows = [list(row) for row in cursor.fetchall()]
    for row in rows:
        row[_KEY_SCOPES] = frozenset(row[_KEY_SCOPES])
        row[_GRANT_SCOPES] = frozenset(row[_GRANT_SCOPES])
        row[-1] = None if row[-1] is None else bytes(row[-1])
    return [Facts(*row) for row in rows]


def _no(code: DenyCode) -> Verdict:
    return deny(code.value, str(code.label))
