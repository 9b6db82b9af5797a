"""The portal's signed word on what is frozen and what was revoked, once a second.

    {"iss": …, "aud": …, "iat": 1800000000.25, "exp": iat + 15, "version": 7, "nonce": …,
     "freezes": [{"level": "organization", "ref": "…"}],
     "epochs": {"everything": …, "key:…": 1799999990},
     "status_lists": ["https://…"]}

A freeze refuses its subject while it stands. An epoch refuses the subject's tokens that were
issued up to that second, so the portal may drop it when the last of them has expired. The status
lists tokens name may be told beforehand, so that they are there for the first token.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from access_verifier import fields
from access_verifier.jose import Malformed

TYPE = "access-snapshot+jwt"
LONGEST = 8 * 1024 * 1024

FREEZE_LEVELS = ("everything", "release", "phase", "organization", "person")
EPOCH_LEVELS = (*FREEZE_LEVELS, "grant", "key")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is refused, by level and then by whom it is about; the widest level comes first.

    A level is named as in Identity, and only there when something is refused at it: to go through
    them costs a request next to nothing.
    """

    version: int
    issued_at: float
    expires_at: float
    frozen: Mapping[str, Collection[str]]
    epochs: Mapping[str, Mapping[str, float]]
    status_lists: tuple[str, ...] = ()


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
        status_lists=_status_lists(claims.get("status_lists", [])),
    )


def _status_lists(uris: Any) -> tuple[str, ...]:
    if type(uris) is not list or not all(type(uri) is str for uri in uris):
        raise Malformed("status_lists is no list of addresses")
    return tuple(uris)


def _frozen(freezes: Any) -> dict[str, set[str]]:
    if type(freezes) is not list:
        raise Malformed("freezes is missing or no list")
    found: dict[str, set[str]] = {level: set() for level in FREEZE_LEVELS}
    for entry in freezes:
        if type(entry) is not dict:
            raise Malformed("a freeze is no object")
        level = fields.text(entry, "level")
        if level not in found:
            raise Malformed("a freeze at a level that is not known here")
        found[level].add("" if level == "everything" else fields.word(entry, "ref"))
    return {level: refs for level, refs in found.items() if refs}


def _epochs(epochs: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {level: {} for level in EPOCH_LEVELS}
    for subject, at in epochs.items():
        level, colon, ref = subject.partition(":")
        if level not in found or (level == "everything") == bool(colon):
            raise Malformed("an epoch of a subject that is not known here")
        if colon and not fields.is_word(ref):
            raise Malformed("an epoch of nobody")
        found[level][ref] = fields.finite(at, "an epoch")
    return {level: times for level, times in found.items() if times}
