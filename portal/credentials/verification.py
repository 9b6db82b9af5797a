"""Is this key good, here, for this, now? One pure decision, asked by every door.

`facts.py` reads everything the answer depends on in one statement, straight from PostgreSQL;
`decide` says yes only if no level denies. Facts of keys that work are remembered, and used again
only while PostgreSQL says that nothing they rest on was taken away since (`remembered.py`): so
what a transaction committed holds at the very next call. Expiry is compared with the clock here
and never waits for a job.

A new level is a field of Facts, its column in the statement, its line in LEVELS and, unless it is
about one key alone, in judged.py, and an epoch (migrations 0002 and 0003) for the change that takes
access away; tests/unit/credentials/test_verification.py breaks each and asks again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from portal.credentials import remembered, secrets
from portal.credentials.enums import CredentialStatus, DenyCode, FreezeLevel, GrantStatus, KeyKind
from portal.credentials.facts import CONTAINED, REVOKED, Facts, read_facts, read_many_facts
from portal.credentials.known import Known, seal
from portal.peppers import Rehashed
from portal.verdict import Verdict, allow, deny


@dataclass(frozen=True, slots=True)
class Ask:
    """What is wanted: for which model, to do what, and when. `scope` may name several; a sandbox
    takes keys of both kinds.
    """

    audience: str
    scope: str | None
    now: datetime
    sandbox: bool = False


def _expired(facts: Facts, ask: Ask) -> bool:
    if facts.key_status == CredentialStatus.ACTIVE:
        return facts.key_expires_at is None or facts.key_expires_at <= ask.now
    return facts.key_status == CredentialStatus.EXPIRED


def _scope_missing(facts: Facts, ask: Ask) -> bool:
    if ask.scope is None:
        return False
    wanted = set(ask.scope.split())
    return not wanted or not wanted <= facts.scopes  # asking for nothing is not asking for all


def _frozen(level: FreezeLevel) -> "Denies":
    return lambda facts, _: level in facts.frozen


Denies = Callable[[Facts, Ask], bool]

# Any level denies. The order decides only which reason is told when several do: what is closest
# to the key comes first, because that is what its holder can do something about; what was asked
# comes last, because it matters only for a key that works at all.
LEVELS: tuple[tuple[DenyCode, Denies], ...] = (
    (
        DenyCode.KEY_REVOKED,
        lambda f, _: f.key_status == CredentialStatus.REVOKED or REVOKED in f.frozen,
    ),
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
    (DenyCode.FROZEN_CASE, lambda f, _: CONTAINED in f.frozen),
    (DenyCode.FROZEN_PERSON, _frozen(FreezeLevel.PERSON)),
    (DenyCode.FROZEN_ORGANIZATION, _frozen(FreezeLevel.ORGANIZATION)),
    (DenyCode.FROZEN_PHASE, _frozen(FreezeLevel.PHASE)),
    (DenyCode.FROZEN_RELEASE, _frozen(FreezeLevel.RELEASE)),
    (DenyCode.FROZEN_EVERYTHING, _frozen(FreezeLevel.EVERYTHING)),
    (DenyCode.WRONG_AUDIENCE, lambda f, a: f.audience != a.audience),
    (DenyCode.WRONG_KIND, lambda f, a: f.kind != KeyKind.LIVE and not a.sandbox),
    (DenyCode.SCOPE_NOT_HELD, _scope_missing),
)


# What may change of facts that were found good without anything being written: the clock, and what
# is asked. All other levels rest on the facts alone.
_UNWRITTEN = frozenset(
    {
        DenyCode.KEY_EXPIRED,
        DenyCode.GRANT_OUT_OF_DATES,
        DenyCode.WRONG_AUDIENCE,
        DenyCode.WRONG_KIND,
        DenyCode.SCOPE_NOT_HELD,
    }
)
_STILL = tuple(denies for code, denies in LEVELS if code in _UNWRITTEN)


_YES = allow()


def decide(
    facts: Facts, *, audience: str, scope: str | None, now: datetime, sandbox: bool = False
) -> Verdict:
    """Allow only if every level does; otherwise deny with the first one's code and reason.

    `scope` is one scope, several with spaces between (all are needed), or None when the caller
    only wants to know whether the key is good.
    """
    return _decide(facts, Ask(audience=audience, scope=scope, now=now, sandbox=sandbox))


def _decide(facts: Facts, ask: Ask) -> Verdict:
    for code, denies in LEVELS:
        if denies(facts, ask):
            return _no(code)
    return allow()


def allowed(facts: Facts, ask: Ask) -> bool:
    """`decide`, of facts that it has allowed before, for this or anything else that is asked."""
    for denies in _STILL:  # noqa: SIM110 - at every call of every gateway: a generator costs more
        if denies(facts, ask):
            return False
    return True


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict; the facts only when the key itself was genuine; the kid it claimed; with a yes,
    what is kept of the key.
    """

    verdict: Verdict
    facts: Facts | None
    kid: str | None
    known: Known | None = None


def verify(
    token: str,
    *,
    audience: str,
    scope: str | None,
    sandbox: bool = False,
    within: float | None = 0.0,
) -> Verification:
    """Check a key somebody presented. Junk never reaches the database.

    `within` is how many seconds old the proof may be that nothing was taken away since; 0 asks
    PostgreSQL at every call, None means that the caller has asked (`remembered.prove`). An unknown
    kid and a wrong secret cost the same and get the same code.
    """
    name = _name(token)
    if not remembered.holds(name) and secrets.parse(token) is None:
        return Verification(_no(DenyCode.MALFORMED), None, None)
    if within is not None:
        remembered.prove(within)
    known: Known | None = remembered.recall(name)
    ask = Ask(audience=audience, scope=scope, now=timezone.now(), sandbox=sandbox)
    if known is not None and allowed(known.facts, ask):
        return Verification(_YES, known.facts, known.facts.kid, known)
    return _verify_anew(token, ask, name)


def is_plausible(token: str) -> bool:
    """Whether this key is known here, or has the shape and checksum of one. Asks nobody."""
    return remembered.holds(_name(token)) or secrets.parse(token) is not None


def _name(token: str) -> bytes:
    return seal(b"key", token.encode(errors="replace"))


def _verify_anew(token: str, ask: Ask, name: bytes) -> Verification:
    """From what stands in PostgreSQL now. Whatever is refused is refused by this."""
    moment = remembered.moment()
    facts = genuine(token)
    if facts is None:
        return Verification(_no(DenyCode.UNKNOWN_KEY), None, secrets.parse(token))
    verdict = _decide(facts, ask)
    known = Known(facts) if verdict else None
    if known:
        remembered.remember(name, known, subjects=facts.subjects, moment=moment)
    return Verification(verdict, facts, facts.kid, known)


def genuine(token: str) -> Facts | None:
    """Return the facts of this key if we issued it, whatever became of it since."""
    kid = secrets.parse(token)
    facts = read_facts(kid) if kid else None
    version, digest = (facts.pepper_version, facts.digest) if facts else (None, None)
    return facts if secrets.verify_digest(token, version, digest) else None


def rehashed(token: str, facts: Facts) -> Rehashed | None:
    """What to store of a genuine key whose hash is still of an older pepper."""
    return secrets.rehash(token, facts.pepper_version)


def find_key(text: str) -> str | None:
    """Return the first key that stands anywhere in the text, where it should not be."""
    return secrets.find(text)


def explain(kid: str, *, scope: str | None = None) -> Verdict:
    """Say whether this key works and if not why: the same decision the doors take.

    For those who may see the key: its holder and staff. Gateways are never told the reason.
    """
    return explain_many([kid], scope=scope)[kid]


def explain_many(kids: Iterable[str], *, scope: str | None = None) -> dict[str, Verdict]:
    """`explain` for a page of keys, in one statement, each at a door that takes its kind."""
    now = timezone.now()
    verdicts = dict.fromkeys(kids, _no(DenyCode.UNKNOWN_KEY))
    for facts in read_many_facts(verdicts):
        verdicts[facts.kid] = decide(
            facts, audience=facts.audience, scope=scope, now=now, sandbox=facts.is_test
        )
    return verdicts


def _no(code: DenyCode) -> Verdict:
    return deny(code.value, str(code.label))
