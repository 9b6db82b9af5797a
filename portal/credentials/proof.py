"""What doors answered about the keys of a case, read for people and for files.

Time to zero of a door: from when the case was confirmed (or, while it is only contained, from
that) to the last answer of the first round of questions in which it refused every key. Workers have
to come to it first, so it is longer than the door took; what a gateway keeps for some seconds is
not in it (`may_be_late`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, QuerySet
from django.utils import timezone

from portal.credentials import case_items, case_report, doors
from portal.credentials.doors import Door
from portal.credentials.followup import Todo, follow_up
from portal.credentials.headway import Headway, headway
from portal.credentials.models import Revocation, RevocationProof, RevocationRound
from portal.credentials.selectors import RING_AT_MOST
from portal.webhooks.selectors import Told, failing_about, told_about

Plain = dict[str, Any]


@dataclass(frozen=True)
class DoorProof:
    """One door: the newest answers, and when it first refused everything."""

    door: str
    name: str
    serves: int | None  # keys of the case that would work here but for it; None: no door any more
    asked: int
    refused: int
    let_through: list[str]
    last_asked_at: datetime
    zero_at: datetime | None
    seconds_to_zero: float | None

    @property
    def is_zero(self) -> bool:
        return self.asked == self.refused


def unproved_at(asked: Iterable[Door]) -> QuerySet[Revocation]:
    """Confirmed cases about which no door was asked yet, or of which one of these doors let keys
    through when it was asked last.
    """
    rounds = RevocationProof.objects.filter(
        revocation=OuterRef("pk"), at__gte=OuterRef("confirmed_at")
    )
    later = RevocationProof.objects.filter(
        revocation=OuterRef("revocation"), door=OuterRef("door"), at__gt=OuterRef("at")
    )
    through = rounds.filter(door__in=[each.ref for each in asked], refused__lt=F("asked"))
    return Revocation.objects.filter(confirmed_at__isnull=False).filter(
        ~Exists(rounds) | Exists(through.filter(~Exists(later)))
    )


def unproved_revocations() -> list[int]:
    """Ids of those at which no worker is busy; none while no door is registered."""
    asked = doors.registered()
    if not asked:
        return []
    busy = RevocationRound.objects.filter(
        revocation=OuterRef("pk"), leased_until__gt=timezone.now()
    )
    found = unproved_at(asked).filter(~Exists(busy)).order_by("pk")
    return list(found.values_list("pk", flat=True)[:RING_AT_MOST])


def since(case: Revocation) -> datetime | None:
    """From when the keys have to be refused."""
    return case.confirmed_at or (case.contained_at if case.is_contained else None)


def door_proofs(case: Revocation) -> list[DoorProof]:
    """Every door asked since then, by name; a fixed number of statements."""
    began = since(case)
    if began is None:
        return []
    rounds: dict[str, list[RevocationProof]] = {}
    for row in case.proofs.filter(at__gte=began).order_by("name", "door", "at", "pk"):
        rounds.setdefault(row.door, []).append(row)
    serves = _served(case, doors.registered()) if rounds else {}
    return [_door(rows, began, serves) for rows in rounds.values()]


def _door(rows: list[RevocationProof], began: datetime, serves: dict[str, int]) -> DoorProof:
    newest = rows[-1]
    zero_at = next((row.at for row in rows if row.refused == row.asked), None)
    return DoorProof(
        door=newest.door,
        name=newest.name,
        serves=serves.get(newest.door),
        asked=newest.asked,
        refused=newest.refused,
        let_through=newest.let_through,
        last_asked_at=newest.at,
        zero_at=zero_at,
        seconds_to_zero=round((zero_at - began).total_seconds(), 3) if zero_at else None,
    )


def _served(case: Revocation, asked: Iterable[Door]) -> dict[str, int]:
    """That a door refuses keys it never took says little: how many are for its own model."""
    rows = list(
        case.items.order_by()
        .values_list("credential__grant__phase__release__audience", "credential__kind")
        .annotate(n=Count("pk"))
    )
    return {
        door.ref: sum(n for audience, kind, n in rows if door.serves(audience=audience, kind=kind))
        for door in asked
    }


def seconds_to_zero(proofs: Iterable[DoorProof]) -> float | None:
    """Of the slowest door; None while one still lets a key through, or none was asked."""
    times = [each.seconds_to_zero if each.is_zero else None for each in proofs]
    known = [each for each in times if each is not None]
    return max(known) if known and len(known) == len(times) else None


def times_to_zero(cases: Iterable[Revocation]) -> dict[int, float | None]:
    """`seconds_to_zero` of each of a list of cases, by its id, in one statement."""
    rows: dict[int, dict[str, list[RevocationProof]]] = {case.pk: {} for case in cases}
    began = {case.pk: since(case) for case in cases}
    for row in RevocationProof.objects.filter(revocation__in=rows).order_by("at", "pk"):
        start = began[row.revocation_id]
        if start and row.at >= start:
            rows[row.revocation_id].setdefault(row.door, []).append(row)
    return {
        pk: seconds_to_zero(_door(each, start, {}) for each in by_door.values()) if start else None
        for pk, by_door, start in ((pk, rows[pk], began[pk]) for pk in rows)
    }


def still_to_do(
    case: Revocation, done: Headway, machines: Told, proofs: Iterable[DoorProof]
) -> list[Todo]:
    """`follow_up` by the newest answer of each door that is still one."""
    answers = [(each.name, each.asked - each.refused) for each in proofs if each.serves is not None]
    return follow_up(case, done, machines, answers)


def proof_report(case: Revocation) -> Plain:
    """The whole of a case as plain data, for JSON and for the page; times are ISO 8601, in UTC."""
    proofs, figures = door_proofs(case), case_report.figures(case)
    done, machines = headway(case), told_about(case.ref)
    report: Plain = {
        "case": case.ref,
        "title": case.title,
        "severity": case.severity,
        "rehearsal": case.rehearsal,
        "reason": case.reason,
        "status": case.status,
        "criteria": {each.label: each.words for each in case_report.criteria(case)},
        "digest": case.digest,
        "who": _who(case),
        "when": {name: getattr(case, name) for name in _MOMENTS},
        "keys": {"total": figures.keys, "holders": figures.holders},
        "proved_at": max((each.last_asked_at for each in proofs), default=None),
        "seconds_to_zero": seconds_to_zero(proofs),
        "doors": [asdict(each) for each in proofs],
        "may_be_late": may_be_late(),
        "left_alive": [
            {"kid": each.credential.kid, "reason": each.reason}
            for each in case.exclusions.select_related("credential").order_by("pk")
        ],
        "told": _told(case, done, machines),
        "follow_up": [asdict(each) for each in still_to_do(case, done, machines, proofs)],
        "written_at": timezone.now(),
    }
    plain: Plain = _plain(report)
    return plain


_MOMENTS = ("requested_at", "contained_at", "asked_at", "confirmed_at", "completed_at")
_PEOPLE = ("requested_by", "contained_by", "asked_by", "confirmed_by")


def _who(case: Revocation) -> dict[str, str | None]:
    """By reference: a report outlives the people in it."""
    people = {name: getattr(case, name) for name in _PEOPLE}
    return {name: person.ref if person else None for name, person in people.items()}


def may_be_late() -> Plain:
    """What the doors' own decision says nothing about, and for how many seconds at most."""
    return {
        "forward_auth_seconds": settings.AUTHORIZE_WITHIN,
        "tokens_seconds": max((door.offline_for for door in doors.registered()), default=0),
    }


def _told(case: Revocation, done: Headway, machines: Told) -> Plain:
    stragglers = [
        {
            "partner": each.ref,
            "keys": each.keys,
            "attempts": each.attempts,
            "last_error": each.last_error,
        }
        for each in case_report.failing(case)
    ]
    return {
        "parties": done.parties,
        "told": done.told,
        "mails": done.mails,
        "mails_sent": done.post.sent,
        "mails_waiting": done.post.waiting,
        "mails_given_up": done.post.given_up,
        "stragglers": stragglers,
        "webhooks": _machines(case, machines),
    }


def _machines(case: Revocation, counted: Told) -> Plain:
    """Of an address only the host: the rest of it may hold what is the partner's alone."""
    failing = [
        {
            "partner": each.endpoint.organization.ref,
            "endpoint": each.endpoint.ref,
            "host": each.endpoint.host,
            "state": each.state,
            "attempts": each.attempts,
            "last_error": each.problem,
            "next_attempt_at": None if each.dead_at or each.held else each.next_attempt_at,
        }
        for each in failing_about(case.ref)
    ]
    return {"total": counted.total, **asdict(counted), "failing": failing}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


COLUMNS = (
    *("case", "door", "name", "serves", "asked", "refused", "let_through"),
    *("last_asked_at", "zero_at", "seconds_to_zero"),
)


def proof_rows(case: Revocation) -> Iterator[list[Any]]:
    """A line a door for a CSV file, the names of the columns first."""
    yield list(COLUMNS)
    for each in door_proofs(case):
        row = asdict(each) | {"case": case.ref, "let_through": " ".join(each.let_through)}
        yield [case_items.plain_cell(row[name]) for name in COLUMNS]
