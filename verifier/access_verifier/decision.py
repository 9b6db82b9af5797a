"""May this token do this now? One pure function over what the token and the portal have said.

Time is the portal's. A gateway's wall clock is never read: each snapshot tells what time it was
at the portal when it was asked for, and a clock that only counts elapsed seconds does the rest.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from access_verifier.codes import Code
from access_verifier.identity import Identity
from access_verifier.snapshot import Snapshot
from access_verifier.statuslist import VALID, StatusList


@dataclass(frozen=True, slots=True)
class Rules:
    """What a gateway expects of a token. All times in seconds.

    `leeway` is granted on either end of a token's life, because processes of the portal may
    disagree; `oldest` is how old the portal's word may be; `longest_life` is refused beyond,
    because the portal keeps epochs only as long as tokens live. `kinds` are those of keys: what
    a test key was exchanged for is no way to a real model.
    """

    issuer: str
    audience: str
    leeway: float = 5.0
    oldest: float = 15.0
    longest_life: float = 300.0
    kinds: frozenset[str] = frozenset({"live"})


@dataclass(frozen=True, slots=True)
class Standing:
    """The portal's latest word: the snapshot, and the status lists by their addresses."""

    snapshot: Snapshot
    lists: Mapping[str, StatusList] = field(default_factory=dict)

    def fresh(self, now: float, rules: Rules) -> bool:
        snapshot = self.snapshot
        return now < snapshot.expires_at and now - snapshot.issued_at <= rules.oldest


class Verdict(NamedTuple):
    """Truthy when allowed. `identity` is there for a genuine token, whatever became of it;
    `level` says at which one it is frozen or revoked ("organization").
    """

    code: Code
    identity: Identity | None = None
    level: str = ""

    @property
    def allowed(self) -> bool:
        return self.code is Code.ALLOWED

    def __bool__(self) -> bool:
        return self.code is Code.ALLOWED


def decide(
    identity: Identity, standing: Standing | None, now: float, scope: str | None, rules: Rules
) -> Verdict:
    """Allow only if every level does. `now` is the portal's time.

    `scope` is one scope, several with spaces between (all are needed), or None when the caller
    only wants to know whether the token is good.
    """
    if standing is None or not standing.fresh(now, rules):
        return Verdict(Code.SNAPSHOT_STALE, identity)
    code = _of_the_token(identity, now, rules)
    if code is not Code.ALLOWED:
        return Verdict(code, identity)
    verdict = _of_the_portal(identity, standing, now, rules)
    if verdict and scope is not None and not _holds(identity, scope):
        return Verdict(Code.SCOPE_NOT_HELD, identity)
    return verdict


def still_stands(
    identity: Identity, standing: Standing | None, now: float, rules: Rules
) -> Verdict:
    """`decide` for what was allowed and is under way: the token may have expired meanwhile.

    Its life is how long it opens doors. What ends a stream is the portal's word, or its silence.
    """
    if standing is None or not standing.fresh(now, rules):
        return Verdict(Code.SNAPSHOT_STALE, identity)
    return _of_the_portal(identity, standing, now, rules)


def _of_the_token(identity: Identity, now: float, rules: Rules) -> Code:
    if identity.issuer != rules.issuer:
        return Code.WRONG_ISSUER
    if identity.audience != rules.audience:
        return Code.WRONG_AUDIENCE
    if identity.kind not in rules.kinds:
        return Code.WRONG_KIND
    if max(identity.issued_at, identity.not_before) > now + rules.leeway:
        return Code.NOT_YET_VALID
    if identity.expires_at - identity.issued_at > rules.longest_life:
        return Code.LIVES_TOO_LONG
    if now >= identity.expires_at + rules.leeway:
        return Code.EXPIRED
    return Code.ALLOWED


def _of_the_portal(identity: Identity, standing: Standing, now: float, rules: Rules) -> Verdict:
    snapshot = standing.snapshot
    for level, refs in snapshot.frozen.items():
        if getattr(identity, level) in refs:
            return Verdict(Code.FROZEN, identity, level)
    # Within one second nobody can tell what came first: then it was the revocation.
    second = math.floor(identity.issued_at)
    for level, times in snapshot.epochs.items():
        if second <= times.get(getattr(identity, level), -math.inf):
            return Verdict(Code.REVOKED, identity, level)
    return Verdict(_status(identity, standing, now, rules), identity)


def _status(identity: Identity, standing: Standing, now: float, rules: Rules) -> Code:
    if identity.status is None:
        return Code.ALLOWED
    uri, idx = identity.status
    listed = standing.lists.get(uri)
    if listed is None or not listed.fresh(now, rules.oldest):
        return Code.STATUS_LIST_STALE
    return Code.ALLOWED if listed.status(idx) == VALID else Code.STATUS_NOT_VALID


def _holds(identity: Identity, scope: str) -> bool:
    wanted = scope.split()
    # Asking for nothing is not asking for all.
    return bool(wanted) and identity.scopes.issuperset(wanted)
