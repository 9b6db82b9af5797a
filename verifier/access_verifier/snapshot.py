"""The portal's signed word on what is frozen and what was revoked, once a second.

    {"iss": …, "aud": …, "iat": 1800000000.25, "exp": iat + 15, "version": 7, "nonce": …,
     "freezes": [{"level": "organization", "ref": "org_…"}],
     "epochs": {"key:…": 1799999990}}

A freeze refuses its subject while it stands. An epoch refuses the subject's tokens that were
issued up to that second, so the portal may drop it when the last of them has expired.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from access_verifier import fields
from access_verifier.jose import Malformed

TYPE = "access-snapshot+jwt"
LONGEST = 8 * 1024 * 1024

FREEZE_LEVELS = frozenset({"everything", "release", "phase", "organization", "person"})
EPOCH_LEVELS = FREEZE_LEVELS | {"grant", "key"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`frozen` and the names in `epochs` are written as in Identity.subjects."""

    version: int
    issued_at: float
    expires_at: float
    frozen: frozenset[str]
    epochs: Mapping[str, float]


def read_snapshot(claims: dict[str, Any], *, issuer: str, audience: str, nonce: str) -> Snapshot:
    """Raise Malformed unless it is for this gateway, answers this question and is understood.

    A level that is not known here makes the whole snapshot unreadable: passing it over would let
    through what somebody has frozen.
    """
    expected = {"iss": issuer, "aud": audience, "nonce": nonce}
    for name, value in expected.items():
        if claims.get(name) != value:
            raise Malformed(f"{name} is not what was expected")
    issued_at, expires_at = fields.seconds(claims, "iat"), fields.seconds(claims, "exp")
    if issued_at >= expires_at:
        raise Malformed("it has expired before it was issued")
    return Snapshot(
        version=fields.count(claims, "version"),
        issued_at=issued_at,
        expires_at=expires_at,
        frozen=_frozen(claims.get("freezes")),
        epochs=_epochs(fields.part(claims, "epochs")),
    )


def _frozen(freezes: Any) -> frozenset[str]:
    if type(freezes) is not list:
        raise Malformed("freezes is missing or no list")
    return frozenset(_freeze(entry) for entry in freezes)


def _freeze(entry: Any) -> str:
    if type(entry) is not dict:
        raise Malformed("a freeze is no object")
    level = fields.text(entry, "level")
    if level not in FREEZE_LEVELS:
        raise Malformed("a freeze at a level that is not known here")
    return level if level == "everything" else f"{level}:{fields.word(entry, 'ref')}"


def _epochs(epochs: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for subject, at in epochs.items():
        level, colon, ref = subject.partition(":")
        if level not in EPOCH_LEVELS or (level == "everything") == bool(colon):
            raise Malformed("an epoch of a subject that is not known here")
        if colon and not fields.is_word(ref):
            raise Malformed("an epoch of nobody")
        found[subject] = fields.finite(at, "an epoch")
    return found
