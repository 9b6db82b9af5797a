"""Short tokens: a key exchanged for a JWT (RFC 9068) that any gateway can check by itself.

A token says what was decided about its key when it was made, and holds for 60 seconds. Where the
portal is asked about one (introspection, forward-auth) it decides anew about the key, straight from
PostgreSQL: there the token of a revoked key is refused from the commit on.

`verify` is what the doors ask about whatever was presented, a key or a token.
"""

import re
import secrets
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.conf import settings
from django.utils import timezone
from joserfc.errors import ClaimError
from joserfc.jwt import JWTClaimsRegistry

from portal.credentials import verification
from portal.credentials.enums import DenyCode
from portal.credentials.facts import Facts, read_facts
from portal.credentials.verification import decide
from portal.gateway import signing, statuslist
from portal.prepared import TextStatement
from portal.verdict import Verdict, deny

TYPE: Final = "at+jwt"
LIFE: Final = 60  # seconds
# How far the clock of the process that signed may be ahead of the one that reads; seconds.
AHEAD: Final = 5

_TEXTS = ("client_id", "aud", "scope", "jti", "kind")
# Of the key that has just proved itself, and the place it keeps.
_MOMENT = TextStatement(
    "token_moment",
    "SELECT portal_token_moment(), status_index FROM credentials_credential WHERE kid = $1",
)
_KID = re.compile(r"[0-9A-Za-z]{16}")


@dataclass(frozen=True, slots=True)
class Made:
    """A new token for the answer that hands it over; `expires_in` is in seconds."""

    token: str = field(repr=False)
    expires_in: int
    scope: str


@dataclass(frozen=True, slots=True)
class ReadToken:
    """What a token of ours says. `kid` is its key; times are seconds since 1970."""

    kid: str
    audience: str
    scopes: frozenset[str]
    issued_at: int
    expires_at: int
    jti: str
    kind: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict; the facts only when what was presented was genuine; the token if it was one.

    The scopes of the facts are those of the token, where there is one: never more than the key's.
    """

    verdict: Verdict
    facts: Facts | None
    token: ReadToken | None = None


def exchange(kid: str, *, scopes: frozenset[str]) -> Made | None:
    """Give this key a token for these scopes; None if it does not hold them, or ends now.

    The token's time is taken, by PostgreSQL's clock as those of epochs are, before the key is read:
    what takes its access away either is seen here or counts from a later time. No token is ever
    younger than the revocation it should have met with (migration 0004 of credentials).
    """
    moment = _MOMENT.row(kid)
    facts = read_facts(kid)
    if moment is None or facts is None:
        return None
    begins, index = map(int, moment)
    wanted = " ".join(sorted(scopes))
    now, sandbox = timezone.now(), facts.is_test
    if not decide(facts, audience=facts.audience, scope=wanted, now=now, sandbox=sandbox):
        return None
    return make(facts, scopes=scopes, begins=begins, index=index)


def make(facts: Facts, *, scopes: frozenset[str], begins: int, index: int) -> Made | None:
    """Sign what `facts` say, for `scopes` of theirs; None if the key ends within this second.

    The caller has decided that the key holds them. `index` is its place in the status list.
    """
    ends = min(begins + LIFE, int(facts.expires_at.timestamp()))
    if ends <= begins:
        return None
    claims = _claims(facts, scopes) | {
        "iat": begins,
        "exp": ends,
        "status": statuslist.reference(index),
    }
    return Made(signing.sign(claims, typ=TYPE), ends - begins, claims["scope"])


def _claims(facts: Facts, scopes: frozenset[str]) -> dict[str, Any]:
    """RFC 9068, section 2.2, and what a gateway meters and refuses by."""
    claims = {
        "iss": settings.BASE_URL,
        "aud": facts.audience,
        "sub": facts.holder_ref,
        "client_id": facts.kid,
        "kind": facts.kind,
        "jti": secrets.token_urlsafe(16),
        "scope": " ".join(sorted(scopes)),
        "grant": facts.grant_ref,
        "phase": facts.phase_ref,
        "release": facts.release_ref,
        "limits": {
            "requests_per_minute": facts.requests_per_minute,
            "tokens_per_day": facts.tokens_per_day,
        },
    }
    return claims | ({"organization": facts.organization_ref} if facts.organization_ref else {})


def is_token(presented: str) -> bool:
    """Whether this has the shape of a token rather than of a key. Asks nobody."""
    return presented.count(".") == 2


def is_plausible(presented: str) -> bool:
    """Whether this may be a key or a token of ours, which a yes could be said to. Asks nobody."""
    return is_token(presented) or verification.is_plausible(presented)


def read(token: str) -> ReadToken | None:
    """Return what this token says if we signed it and it holds now; None for anything else.

    Nothing of the key is known by that, nor for whom the token is: `judge_token` decides.
    """
    claims = signing.read(token, typ=TYPE)
    now = timezone.now().timestamp()
    if claims is None or not _hold(claims, now):
        return None
    kid, audience, scope, jti, kind = (claims[name] for name in _TEXTS)
    times = int(claims["iat"]), int(claims["exp"])
    return ReadToken(kid, audience, frozenset(scope.split()), *times, jti, kind)


def _hold(claims: dict[str, Any], now: float) -> bool:
    """Issuer, times, and that nothing we read is missing or of another type."""
    required = JWTClaimsRegistry(
        now=int(now),
        leeway=AHEAD,
        iss={"essential": True, "value": settings.BASE_URL},
        iat={"essential": True},
        exp={"essential": True},
    )
    try:
        required.validate(claims)
    except ClaimError:
        return False
    # The leeway is for the beginning only: at its end a token is over.
    if claims["exp"] <= now or not all(isinstance(claims.get(name), str) for name in _TEXTS):
        return False
    return _KID.fullmatch(claims["client_id"]) is not None


def verify(presented: str, *, audience: str, scope: str | None, sandbox: bool = False) -> Judged:
    """Decide about a key or a token, for the gateways of `audience`; `sandbox` for those of them
    that take test keys, and so their tokens, as well.
    """
    if is_token(presented):
        return judge_token(presented, audience=audience, scope=scope, sandbox=sandbox)
    found = verification.verify(presented, audience=audience, scope=scope, sandbox=sandbox)
    return Judged(found.verdict, found.facts)


def judge_token(token: str, *, audience: str, scope: str | None, sandbox: bool = False) -> Judged:
    """Decide about the key of this token as it is now, with no more scopes than the token's."""
    said = read(token)
    facts = read_facts(said.kid) if said else None
    if said is None or facts is None:
        return Judged(_no(DenyCode.TOKEN_INVALID), None)
    if said.audience != audience:
        return Judged(_no(DenyCode.WRONG_AUDIENCE), None)
    if said.kind != facts.kind:  # no key ever changes its kind
        return Judged(_no(DenyCode.TOKEN_INVALID), None)
    narrowed = replace(facts, key_scopes=facts.key_scopes & said.scopes)
    verdict = decide(narrowed, audience=audience, scope=scope, now=timezone.now(), sandbox=sandbox)
    return Judged(verdict, narrowed, said)


def _no(code: DenyCode) -> Verdict:
    return deny(code.value, str(code.label))
