"""What staff's pages on grants, keys and cases of revocation show, put together from stored rows.

Each function makes one part of a page in a fixed number of statements, however many keys there
are; none decides anything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Func, QuerySet
from django.utils import timezone

from portal.applications.timeline import SHOWN, Entry
from portal.audit.presenters import present
from portal.audit.selectors import actor_name, events_about, kinds_of, people_in, timeline
from portal.credentials.enums import CredentialStatus, GrantStatus, ItemStatus, RevocationStatus
from portal.credentials.lifecycle import REVOCATION_EVENT
from portal.credentials.models import Credential, Freeze, Grant, Revocation, RevocationItem
from portal.credentials.selectors import Selector, progress, target_of
from portal.credentials.verification import explain_many
from portal.errors import Invalid
from portal.programs.enums import RiskTier
from portal.programs.models import Capability
from portal.programs.selectors import TIER_ORDER
from portal.verdict import Verdict

MOST_EVENTS = 100
MOST_BARS = 8
BY = {  # as a responder is likeliest to have them in hand
    "kids": "List of key ids",
    "person": "Person",
    "organization": "Organisation",
    "phase": "Phase",
    "release": "Release",
}
_STATE_OF_EVENT = {event: state for state, event in REVOCATION_EVENT.items()} | {
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


def judge_key(credential: Credential, verdict: Verdict) -> Judgement:
    """A key that is active should work; any other should not."""
    wanted = credential.status == CredentialStatus.ACTIVE
    if wanted and verdict:
        return Judgement("active", "Works")
    if wanted:
        return Judgement("blocked", "Blocked", verdict.reason)
    if verdict:
        return Judgement("failed", "Works, and should not")
    return Judgement("ended", "No access", verdict.reason)


def judge_grant(grant: Grant, keys: list[tuple[Credential, Verdict]]) -> Judgement:
    """Under a grant in force its claimed keys should work; under any other none should."""
    claimed = [(key, said) for key, said in keys if key.status == CredentialStatus.ACTIVE]
    working = [key for key, said in claimed if said]
    if grant.status != GrantStatus.ACTIVE:
        wrong = Judgement("failed", "Works, and should not")
        return wrong if working else Judgement("ended", "No access")
    if not claimed:
        return Judgement("waiting", "No key claimed")
    if len(working) == len(claimed):
        return Judgement("active", "Works")
    reason = next(said.reason for _key, said in claimed if not said)
    return Judgement("blocked", "Blocked", reason)


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
    return _entries(events_about(credential.kid))


def case_timeline(case: Revocation | Freeze) -> list[Entry]:
    return _entries(events_about(case.ref))


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


# --- A case of revocation ----------------------------------------------------------------------
@dataclass(frozen=True)
class Target:
    """What a case was chosen by."""

    kind: str
    name: str
    ref: str = ""
    named: int | None = None  # of a list of key ids: how many were on it

    @property
    def words(self) -> str:
        return f"{self.kind}: {self.name}"


def target(revocation: Revocation) -> Target:
    """The selector in words; a thing that is gone since keeps its reference."""
    by, value = revocation.selector["by"], revocation.selector["value"]
    if by == "kids":
        return Target(BY[by], f"{len(value):,} key ids", named=len(value))
    try:
        return Target(BY[by], str(target_of(Selector(by, value))), value)
    except Invalid:
        return Target(BY[by], value, value)


Bars = list[tuple[str, int]]


@dataclass(frozen=True)
class Figures:
    """Who and what a case hits."""

    keys: int
    holders: int
    claimed: int  # in use; the others wait to be claimed or prepared
    by_organization: Bars
    by_phase: Bars
    by_capability: Bars
    highest: RiskTier | None

    @property
    def unclaimed(self) -> int:
        return self.keys - self.claimed


def figures(revocation: Revocation) -> Figures:
    """Counted by the database in a fixed number of statements."""
    items = revocation.items.order_by()
    counted = items.aggregate(
        keys=Count("pk"),
        holders=Count("credential__grant__holder", distinct=True),
        claimed=Count("credential__claimed_at"),
    )
    scopes = _by_scope(items)
    return Figures(
        **counted,
        by_organization=_bars(items, "credential__grant__organization__name", "Individuals"),
        by_phase=_phases(items),
        by_capability=_most([(scope, count) for (_release, scope), count in scopes.items()]),
        highest=_highest(scopes),
    )


def _bars(items: QuerySet[RevocationItem], path: str, without: str) -> Bars:
    rows = items.values_list(path).annotate(n=Count("pk")).order_by("-n", path)
    return _most([(words or without, count) for words, count in rows])


def _phases(items: QuerySet[RevocationItem]) -> Bars:
    release, phase = "credential__grant__phase__release__name", "credential__grant__phase__name"
    rows = items.values_list(release, phase).annotate(n=Count("pk")).order_by("-n", release, phase)
    return _most([(f"{of}: {name}", count) for of, name, count in rows])


def _by_scope(items: QuerySet[RevocationItem]) -> dict[tuple[int, str], int]:
    rows = (
        items.annotate(scope=Func(F("credential__scopes"), function="unnest"))
        .values_list("credential__grant__phase__release", "scope")
        .annotate(n=Count("pk"))
        .order_by("-n", "scope")
    )
    return {(release, scope): count for release, scope, count in rows}


def _highest(scopes: Iterable[tuple[int, str]]) -> RiskTier | None:
    """The riskiest tier that any of the keys reaches; critical for a scope nobody knows."""
    pairs = set(scopes)
    known = Capability.objects.filter(release__in={release for release, _scope in pairs})
    tiers = {(each.release_id, each.scope): RiskTier(each.tier) for each in known}
    return max(
        (tiers.get(pair, RiskTier.CRITICAL) for pair in pairs),
        key=TIER_ORDER.index,
        default=None,
    )


def _most(rows: Bars) -> Bars:
    """The longest bars, equal words put together, and the rest as one."""
    together: dict[str, int] = {}
    for words, count in rows:
        together[words] = together.get(words, 0) + count
    bars = sorted(together.items(), key=lambda bar: -bar[1])
    shown, rest = bars[:MOST_BARS], bars[MOST_BARS:]
    if rest:
        shown.append((f"{len(rest)} others", sum(count for _words, count in rest)))
    return shown


@dataclass(frozen=True)
class Headway:
    """How far telling the holders is. The keys are dead throughout."""

    counts: dict[str, int]
    elapsed: timedelta

    @property
    def killed(self) -> int:
        return self.total - self.counts[ItemStatus.SKIPPED]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def told(self) -> int:
        return self.counts[ItemStatus.DONE]

    @property
    def rate(self) -> float:
        """Holders told a second, over the whole run."""
        seconds = self.elapsed.total_seconds()
        return self.told / seconds if seconds else 0.0


def headway(revocation: Revocation) -> Headway:
    began = revocation.confirmed_at or timezone.now()
    return Headway(progress(revocation), (revocation.completed_at or timezone.now()) - began)


def failing(revocation: Revocation) -> QuerySet[RevocationItem]:
    """Items whose holder could not be told yet, the most tried first."""
    failed = revocation.items.filter(status=ItemStatus.FAILED).order_by("-attempts", "pk")
    return failed.select_related("credential__grant__holder")


def items_of(revocation: Revocation) -> QuerySet[RevocationItem]:
    """Every key of the case, with what a list of them shows."""
    return revocation.items.select_related(
        "credential__grant__holder",
        "credential__grant__organization",
        "credential__grant__phase__release",
    ).order_by("pk")


COLUMNS = {
    "kid": "credential__kid",
    "grant": "credential__grant__ref",
    "holder": "credential__grant__holder__ref",
    "holder_email": "credential__grant__holder__email",
    "organization": "credential__grant__organization__name",
    "release": "credential__grant__phase__release__name",
    "phase": "credential__grant__phase__name",
    "key_status": "credential__status",
    "revoked_at": "credential__revoked_at",
    "outcome": "status",
    "told_at": "done_at",
    "attempts": "attempts",
    "last_error": "last_error",
}


def export(revocation: Revocation) -> Iterator[list[Any]]:
    """The case as rows for a file, the names of the columns first; read as it is written."""
    yield list(COLUMNS)
    rows = revocation.items.order_by("pk").values_list(*COLUMNS.values())
    for row in rows.iterator(chunk_size=2000):
        yield [_plain(value) for value in row]


def _plain(value: Any) -> Any:
    """Times in UTC; text that a spreadsheet would take for a formula made harmless."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value


def overview(case: Revocation) -> dict[str, Any]:
    """The head of the page: what it is, in big plain numbers, and how long a preview is good."""
    aim, counted = target(case), figures(case)
    left = time_left(case)
    minutes = max(1, round(left.total_seconds() / 60)) if left else 0
    return {
        "heading": _heading(case),
        "target": aim,
        "figures": counted,
        "numbers": _numbers(case, counted),
        "left_out": _left_out(case, aim),
        "time_left": left,
        "minutes_left": "1 minute" if minutes == 1 else f"{minutes} minutes",
    }


def _heading(case: Revocation) -> str:
    keys = "1 key" if case.count == 1 else f"{case.count:,} keys"
    return {
        RevocationStatus.PREVIEWED: f"Revoke {keys}?",
        RevocationStatus.RUNNING: "Revoked; holders are being told",
        RevocationStatus.COMPLETED_WITH_STRAGGLERS: "Revoked; some holders are not told yet",
        RevocationStatus.COMPLETED: "Revoked, and every holder told",
        RevocationStatus.CANCELLED: f"{keys.capitalize()} looked at, none revoked",
        RevocationStatus.EXPIRED: f"{keys.capitalize()} looked at, none revoked",
    }.get(RevocationStatus(case.status), case.ref)


def _numbers(case: Revocation, counted: Figures) -> Bars:
    """Of a preview what would be hit; afterwards what was."""
    if case.confirmed_at:
        done = headway(case)
        first: Bars = [("keys dead", done.killed), ("holders", counted.holders)]
        return [*first, ("dead before", done.total - done.killed)]
    return [
        ("keys in all", counted.keys),
        ("in use", counted.claimed),
        ("not claimed yet", counted.unclaimed),
        ("holders", counted.holders),
    ]


def _left_out(case: Revocation, aim: Target) -> str:
    dead = (aim.named or case.count) - case.count
    if dead <= 0:
        return ""
    are = "is" if dead == 1 else "are"
    return f"{dead:,} of the {aim.named:,} key ids named {are} dead already and left out."


def time_left(case: Revocation) -> timedelta | None:
    """Until when a preview can be confirmed; None when it is too late or no preview."""
    if case.status != RevocationStatus.PREVIEWED or case.expires_at is None:
        return None
    left = case.expires_at - timezone.now()
    return left if left > timedelta(0) else None
