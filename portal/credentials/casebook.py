"""What staff's pages on grants and keys show, put together from stored rows.

Each function makes one part of a page in a fixed number of statements, however many keys there
are; none decides anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from portal.applications.timeline import SHOWN, Entry
from portal.audit.presenters import present
from portal.audit.selectors import actor_name, events_about, kinds_of, people_in, timeline
from portal.credentials.enums import CredentialStatus, GrantStatus
from portal.credentials.lifecycle import REISSUE_EVENT, REVOCATION_EVENT
from portal.credentials.models import Credential, Freeze, Grant, Reissue, Revocation
from portal.credentials.verification import explain_many
from portal.request_id import FROM_A_SHELL
from portal.verdict import Verdict

MOST_EVENTS = 100
_STATE_OF_EVENT = {event: state for state, event in REVOCATION_EVENT.items()} | {
    **{event: state for state, event in REISSUE_EVENT.items()},
    "freeze.placed": "blocked",
    "freeze.lift_asked": "pending",
    "freeze.kept": "blocked",
    "freeze.lifted": "done",
}
_KEY_EVENTS = [*kinds_of("grant"), *kinds_of("credential")]


# --- Desired against enforced ---------------------------------------------------------------
@dataclass(frozen=True)
class Judgement:
    """What should be, beside what a gateway would find."""

    status: str  # a state whose mark stands beside the words
    words: str
    reason: str = ""
    code: str = ""  # what a partner may quote, and metrics and logs go by


def judge_key(credential: Credential, verdict: Verdict) -> Judgement:
    """A key that is active should work; any other should not."""
    wanted = credential.status == CredentialStatus.ACTIVE
    if wanted and verdict:
        return Judgement("active", "Works")
    if wanted:
        return Judgement("blocked", "Blocked", verdict.reason, verdict.code)
    if verdict:
        return Judgement("failed", "Works, and should not")
    return Judgement("ended", "No access", verdict.reason, verdict.code)


def judge_grant(grant: Grant, keys: list[tuple[Credential, Verdict]]) -> Judgement:
    """Under a grant in force its claimed keys should work; under any other none should."""
    claimed = [(key, said) for key, said in keys if key.status == CredentialStatus.ACTIVE]
    working = [key for key, said in claimed if said]
    if grant.status != GrantStatus.ACTIVE:
        wrong = Judgement("failed", "Works, and should not")
        return wrong if working else Judgement("ended", "No access")
    if not claimed:
        return _without_claimed([key for key, _said in keys])
    if len(working) == len(claimed):
        return Judgement("active", "Works")
    first = next(said for _key, said in claimed if not said)
    return Judgement("blocked", "Blocked", first.reason, first.code)


def _without_claimed(keys: list[Credential]) -> Judgement:
    """Nobody has claimed one yet; or there were keys, and what ended the last of them."""
    if not keys or any(key.is_live for key in keys):
        return Judgement("waiting", "No key claimed")
    last = max(keys, key=lambda key: key.pk)
    return Judgement("ended", f"No key left: {last.get_status_display().lower()}")


def judge_grants(grants: Iterable[Grant]) -> None:
    """Hang a judgement and its live keys on every grant of a page, in two statements."""
    rows: list[Any] = list(grants)  # what is hung on them is not theirs
    keys: dict[int, list[Credential]] = {grant.pk: [] for grant in rows}
    for key in Credential.objects.filter(grant__in=rows):
        keys[key.grant_id].append(key)
    said = explain_many(key.kid for each in keys.values() for key in each)
    for grant in rows:
        grant.keys = [(key, said[key.kid]) for key in keys[grant.pk]]
        grant.live = sum(key.is_live for key in keys[grant.pk])
        grant.judgement = judge_grant(grant, grant.keys)


def judge_keys(credentials: Iterable[Credential]) -> None:
    """Hang a judgement on every key of a page, in one statement."""
    rows: list[Any] = list(credentials)
    said = explain_many(key.kid for key in rows)
    for key in rows:
        key.judgement = judge_key(key, said[key.kid])


# --- Timelines --------------------------------------------------------------------------------
def grant_timeline(grant: Grant) -> list[Entry]:
    """What happened to the grant and every key under it."""
    return _entries(timeline(grant.application.ref).filter(kind__in=_KEY_EVENTS), about=True)


def key_timeline(credential: Credential) -> list[Entry]:
    return _entries(events_about(credential.kid, thread=credential.thread))


def case_timeline(case: Revocation | Reissue | Freeze) -> list[Entry]:
    file = case.revocation.ref if isinstance(case, Reissue) else case.ref
    return _entries(events_about(case.ref, thread=file))


def from_a_shell(case: Revocation | Freeze, kind: str) -> bool:
    """Whether the last event of this kind tells of a shell, which can name anybody."""
    told = events_about(case.ref, thread=case.ref).filter(kind=kind).order_by("-pk").first()
    return bool(told and told.request_id.startswith(FROM_A_SHELL))


def _entries(events: QuerySet, *, about: bool = False) -> list[Entry]:
    shown = list(events[:MOST_EVENTS])
    people = people_in(shown)
    return [
        Entry(
            title=present(event.kind),
            at=event.at,
            by=actor_name(event.actor, people),
            status=_STATE_OF_EVENT.get(event.kind) or SHOWN.get(event.kind, ""),
            text=f"Key {event.subject}" if about and event.kind in kinds_of("credential") else "",
        )
        for event in shown
    ]
