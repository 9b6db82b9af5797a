"""A case of revocation, as pages, files and the command show it, put together from stored rows.

Each function makes one part in a fixed number of statements, however many keys there are; none
decides anything.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import Organization
from portal.credentials.case_mails import Mails, mails_about
from portal.credentials.enums import PartyStatus, RevocationStatus
from portal.credentials.headway import Headway, page_heading
from portal.credentials.lifecycle import LIVE
from portal.credentials.models import Credential, Revocation, RevocationItem, RevocationParty
from portal.credentials.selectors import is_beyond_cap
from portal.credentials.targets import THINGS, values_of
from portal.programs.enums import RiskTier
from portal.programs.models import RolloutPhase
from portal.programs.selectors import riskiest

MOST_BARS = 8
MOST_VALUES = 10  # of one criterion in words
LATELY, YOUNG = timedelta(hours=1), timedelta(days=1)
CRITERIA = {  # as a responder is likeliest to have them in hand
    "kids": "Key ids",
    "person": "Person",
    "organization": "Organisation",
    "application": "Application",
    "capability": "Capability",
    "phase": "Phase",
    "release": "Release",
    "reviewer": "Ruled on by",
    "issued_from": "Issued from",
    "issued_until": "Issued before",
    "used_from": "Last used from",
    "used_until": "Last used before",
}


@dataclass(frozen=True)
class Criterion:
    """One of those that a case was chosen by, in words."""

    label: str
    words: str
    ref: str = ""


def criteria(revocation: Revocation) -> list[Criterion]:
    """The selector in words; a thing that is gone since keeps its reference."""
    return [_criterion(name, value) for name, value in revocation.selector.items()]


def names_in(cases: Iterable[Revocation]) -> dict[str, str]:
    """By reference, the names of what these were chosen by: a statement for each kind of thing."""
    refs: dict[str, set[str]] = {}
    for case in cases:
        for name, value in case.selector.items():
            if name in THINGS:
                refs[name] = refs.get(name, set()) | set(values_of(value)[:MOST_VALUES])
    return {each.ref: str(each) for name in refs for each in _known(name, refs[name])}


def in_words(revocation: Revocation, names: Mapping[str, str]) -> str:
    """The selector in short: for a list of cases. A thing without a name keeps its reference."""
    told = {
        name: f"{len(value):,}"
        if name == "kids"
        else _either([names.get(each, each) for each in values_of(value)])
        for name, value in revocation.selector.items()
    }
    return "; ".join(f"{CRITERIA[name]}: {value}" for name, value in told.items())


def _criterion(name: str, value: Any) -> Criterion:
    label = CRITERIA[name]
    if name == "kids":
        return Criterion(label, f"{len(value):,} named")
    if name in THINGS:
        return _things(name, values_of(value))
    if name == "capability":
        return Criterion(label, _either(values_of(value)))
    return Criterion(label, f"{datetime.fromisoformat(value):%-d %B %Y, %H:%M} UTC")


def _things(name: str, refs: list[str]) -> Criterion:
    shown = refs[:MOST_VALUES]
    known = {each.ref: str(each) for each in _known(name, shown)}
    if len(refs) == 1:
        return Criterion(CRITERIA[name], known.get(refs[0], refs[0]), refs[0])
    words = [f"{known[ref]} {ref}" if known.get(ref, ref) != ref else ref for ref in shown]
    return Criterion(CRITERIA[name], _either(words, more=len(refs) - len(shown)))


def _known(name: str, refs: Iterable[str]) -> QuerySet[Any]:
    found: Any = THINGS[name]._default_manager.filter(ref__in=list(refs))
    return found.select_related("release") if name == "phase" else found  # part of its name


def _either(values: list[str], *, more: int = 0) -> str:
    """One of these, of which so many are shown."""
    shown = values[:MOST_VALUES]
    more += len(values) - len(shown)
    return " or ".join(shown) + (f" or one of {more:,} more" if more else "")


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
    mails_to: Mails  # that will be, or were, sent
    used_lately: int  # let through within the last hour
    young: int  # claimed within the last day

    @property
    def unclaimed(self) -> int:
        return self.keys - self.claimed

    @property
    def mails(self) -> int:
        return sum(self.mails_to.values())


def figures(revocation: Revocation) -> Figures:
    """Counted by the database in a fixed number of statements."""
    items, now = revocation.items.order_by(), timezone.now()
    counted = items.aggregate(
        keys=Count("pk"),
        holders=Count("credential__grant__holder", distinct=True),
        claimed=Count("credential__claimed_at"),
        used_lately=Count("pk", filter=Q(credential__use__last_used_at__gte=now - LATELY)),
        young=Count("pk", filter=Q(credential__claimed_at__gte=now - YOUNG)),
    )
    groups = _grouped(items)
    return Figures(
        **counted,
        by_organization=_most((each.organization, each.keys) for each in groups),
        by_phase=_most((f"{each.release}: {each.phase}", each.keys) for each in groups),
        by_capability=_most((scope, each.keys) for each in groups for scope in each.scopes),
        highest=riskiest({(each.release_id, scope) for each in groups for scope in each.scopes}),
        mails_to={} if revocation.rehearsal else mails_about(items),
    )


class _Group(NamedTuple):
    """Keys that are alike in all that a case is broken down by."""

    organization: str
    release_id: int
    release: str
    phase: str
    scopes: list[str]
    keys: int


def _grouped(items: QuerySet[RevocationItem]) -> list[_Group]:
    """One pass over the keys for all charts; names come afterwards, once each."""
    rows = list(
        items.values_list(
            "credential__grant__organization", "credential__grant__phase", "credential__scopes"
        ).annotate(n=Count("pk"))
    )
    partners = dict(
        Organization.objects.filter(pk__in={row[0] for row in rows}).values_list("pk", "name")
    )
    phases = RolloutPhase.objects.select_related("release").in_bulk({row[1] for row in rows})
    return [
        _Group(
            partners.get(partner, "Individuals"),
            phases[phase].release_id,
            phases[phase].release.name,
            phases[phase].name,
            scopes,
            keys,
        )
        for partner, phase, scopes, keys in rows
    ]


def bars_of(items: QuerySet, path: str, without: str) -> Bars:
    """How many there are by what stands at the path."""
    rows = items.values_list(path).annotate(n=Count("pk")).order_by("-n", path)
    return _most([(words or without, count) for words, count in rows])


def _most(rows: Iterable[tuple[str, int]]) -> Bars:
    """The longest bars, equal words put together, and the rest as one."""
    together: Counter[str] = Counter()
    for words, count in rows:
        together[words] += count
    bars = sorted(together.items(), key=lambda bar: (-bar[1], bar[0]))
    shown, rest = bars[:MOST_BARS], bars[MOST_BARS:]
    if rest:
        shown.append((f"{len(rest)} others", sum(count for _words, count in rest)))
    return shown


def failing(revocation: Revocation) -> QuerySet[RevocationParty]:
    """Partners who could not be told yet, the most tried first."""
    failed = revocation.parties.filter(status=PartyStatus.FAILED).order_by("-attempts", "pk")
    return failed.select_related("organization", "holder")


def overview(case: Revocation, done: Headway | None, *, spent: bool = False) -> dict[str, Any]:
    """The head of the page: what it is, in big plain numbers, and how long a preview is good."""
    counted = figures(case)
    left = time_left(case)
    return {
        "heading": page_heading(case, done) if done else _heading(case, spent=spent),
        "criteria": criteria(case),
        "figures": counted,
        "numbers": _numbers(done, counted),
        "left_out": _left_out(case),
        "surprises": surprises(case, counted),
        "exclusions": case.exclusions.select_related("credential"),
        "time_left": left,
        "left_words": _span(left) if left else "",
    }


def _span(left: timedelta) -> str:
    seconds = round(left.total_seconds())
    if seconds < 90:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    minutes = round(seconds / 60)
    if minutes >= 120:
        return f"{minutes // 60} hours"
    return f"{minutes} minutes"


def _heading(case: Revocation, *, spent: bool) -> str:
    keys = "1 key" if case.count == 1 else f"{case.count:,} keys"
    if spent:
        return f"{keys} contained: dead by now, nothing left to decide"
    if case.is_contained:
        return f"{keys} contained: refused, not revoked"
    return {
        RevocationStatus.PREVIEWED: f"Revoke {keys}?",
        RevocationStatus.AWAITING_SECOND: f"Revoke {keys}? One has confirmed, one more is needed",
        RevocationStatus.CANCELLED: f"{keys.capitalize()} looked at, none revoked",
        RevocationStatus.EXPIRED: f"{keys.capitalize()} looked at, none revoked",
    }.get(RevocationStatus(case.status), case.ref)


def _numbers(done: Headway | None, counted: Figures) -> Bars:
    """Of a preview what would be hit; afterwards what was."""
    holders = ("holder" if counted.holders == 1 else "holders", counted.holders)
    if done:
        dead = ("key dead" if done.killed == 1 else "keys dead", done.killed)
        return [dead, holders, ("dead before", done.total - done.killed)]
    return [
        ("key in all" if counted.keys == 1 else "keys in all", counted.keys),
        ("in use", counted.claimed),
        ("used in the last hour", counted.used_lately),
        ("not claimed yet", counted.unclaimed),
        holders,
    ]


def surprises(case: Revocation, counted: Figures) -> list[str]:
    """What somebody in a hurry would want pointed out before confirming."""
    said = []
    if counted.used_lately:
        said.append(f"{counted.used_lately:,} of them worked within the last hour.")
    if counted.young:
        said.append(f"{counted.young:,} were claimed within the last day.")
    if counted.keys > 1 and len(counted.by_organization) == 1:
        said.append(f"All belong to {counted.by_organization[0][0]}.")
    if counted.highest == RiskTier.CRITICAL:
        said.append("Some reach a critical capability.")
    if _is_everything(case, counted.keys):
        said.append("They are all the keys there are: nobody keeps access.")
    if is_beyond_cap(case):
        said.append(
            f"They are more than the {settings.REVOCATION_CAP:,} that one case may revoke: an"
            " incident lead has to confirm, and to say why. Whoever is awake can contain them."
        )
    spared = case.exclusions.count()
    if spared:
        said.append(f"{spared:,} stay{'s' if spared == 1 else ''} alive, as you have said.")
    return said


def _is_everything(case: Revocation, keys: int) -> bool:
    """No more are counted than it takes to tell. One key alone is no surprise."""
    if keys < 2 or case.rehearsal or case.confirmed_at:
        return False
    live = Credential.objects.filter(status__in=LIVE).order_by()
    return live[: keys + 1].count() <= keys


def _left_out(case: Revocation) -> str:
    named = len(case.selector.get("kids", []))
    dead = named - case.count - case.exclusions.count()
    if dead <= 0 or len(case.selector) > 1:
        return ""
    are = "is" if dead == 1 else "are"
    return f"{dead:,} of the {named:,} key ids named {are} dead already and left out."


def time_left(case: Revocation) -> timedelta | None:
    """Until when a preview can be confirmed; None when it is too late or no preview."""
    undecided = (RevocationStatus.PREVIEWED, RevocationStatus.AWAITING_SECOND)
    if case.status not in undecided or case.expires_at is None:
        return None
    left = case.expires_at - timezone.now()
    return left if left > timedelta(0) else None
