"""A case of revocation in a terminal: the preview, who has to act next, how far workers are."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from portal.credentials import case_items, case_report, proof
from portal.credentials.case_report import Bars, Headway
from portal.credentials.enums import RevocationStatus, Severity
from portal.credentials.models import Revocation
from portal.credentials.proof import DoorProof

SAMPLE = 10
_WIDTH = 30  # of the progress bar
_LOOK_EVERY, _SAY_EVERY = 0.5, 5.0  # seconds
_OVER = (RevocationStatus.COMPLETED, RevocationStatus.COMPLETED_WITH_STRAGGLERS)


def at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "-"


def page_of(case: Revocation) -> str:
    """Where somebody who is signed in acts on it."""
    return settings.BASE_URL + reverse("admin:credentials_revocation_change", args=[case.ref])


def printable(line: str) -> str:
    """Without what would move a terminal's cursor, colour it or turn its text round: names are
    whatever somebody typed.
    """
    return "".join(each if each.isprintable() else "?" for each in line)


def keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count:,} keys"


# --- The preview --------------------------------------------------------------------------------
def preview(case: Revocation) -> Iterator[str]:
    """What somebody has to know before confirming."""
    counted = case_report.figures(case)
    drill = "DRILL, keys to test alone. " if case.rehearsal else ""
    yield f"{case.ref} {case.title}".strip()
    yield f"{drill}{meant(case)}"
    yield f"{case.get_reason_display()}; {Severity(case.severity).label}"
    yield ""
    yield f"  keys                   {counted.keys:>9,}"
    yield f"  used in the last hour  {counted.used_lately:>9,}"
    yield f"  not claimed yet        {counted.unclaimed:>9,}"
    yield f"  holders                {counted.holders:>9,}"
    yield f"  mails                  {counted.mails:>9,}"
    yield from _bars("by organisation", counted.by_organization)
    yield from _bars("by phase", counted.by_phase)
    yield from _bars("by capability", counted.by_capability)
    for surprise in case_report.surprises(case, counted):
        yield f"! {surprise}"
    yield from _sample(case)
    yield from _spared(case)
    yield ""
    yield f"digest  {case.digest}"
    yield f"valid   until {at(case.expires_at)}"
    if case.needs_second:
        yield "second  needed: a large case, or a critical capability. Two people confirm."


def meant(case: Revocation) -> str:
    """The criteria, with the names that belong to the references."""
    told = case_report.criteria(case)
    return "; ".join(f"{each.label}: {each.words} {each.ref}".strip() for each in told)


def _bars(title: str, bars: Bars) -> Iterator[str]:
    yield title
    for words, count in bars:
        yield f"  {count:>9,}  {words}"


def _sample(case: Revocation) -> Iterator[str]:
    shown = case_items.items_of(case)[:SAMPLE]
    yield f"the first {len(shown)} of {case.count:,}" if case.count > len(shown) else "all of them"
    for item in shown:
        key = item.credential
        whose = key.grant.organization or "on their own"
        yield f"  {key.kid}  {key.grant.ref}  {key.grant.holder.email}  {whose}  {key.status}"


def _spared(case: Revocation) -> Iterator[str]:
    spared = list(case.exclusions.select_related("credential"))
    if spared:
        yield "stay alive"
    for each in spared:
        yield f"  {each.credential.kid}  {each.reason}"


# --- Afterwards ---------------------------------------------------------------------------------
def standing(case: Revocation) -> Iterator[str]:
    """Where a case stands, who has brought it there, and what is owed."""
    yield f"{case.ref} {case.title}".strip()
    yield f"  {case.get_status_display()}; {keys(case.count)}; digest {case.digest}"
    acts = (
        ("previewed", case.previewed_at, case.requested_by),
        ("contained", case.contained_at, case.contained_by),
        ("let go", case.released_at, case.released_by),
        ("confirmed", case.asked_at, case.asked_by),
        ("dead since", case.confirmed_at, case.confirmed_by),
        ("paused", case.paused_at, case.paused_by),
    )
    for what, moment, by in acts:
        if moment:
            yield f"  {what:<10} {at(moment)} by {by.email if by else '-'}"
    if case.confirmed_at:
        yield f"  {owed(case, case_report.headway(case))}"
        yield from failing(case)
        yield from doors(proof.door_proofs(case))
    elif case.is_contained:
        yield "  Every gateway refuses these keys. They are not revoked."
        yield from doors(proof.door_proofs(case))
    else:
        yield "  No key of this case is revoked."


def owed(case: Revocation, headway: Headway) -> str:
    """What workers have still to do; the keys are dead whatever it says."""
    if case.status == RevocationStatus.COMPLETED:
        mails = "1 mail" if headway.mails == 1 else f"{headway.mails:,} mails"
        told = "nobody is told of a drill" if case.rehearsal else f"every partner told, {mails}"
        return f"{keys(headway.killed)} dead, {told}."
    left = headway.total - headway.done
    untold = headway.parties - headway.told
    partners = f", {untold:,} of {headway.parties:,} partners" if headway.parties else ""
    return f"{keys(headway.killed)} dead. Owed: telling the holders of {left:,}{partners}."


def failing(case: Revocation) -> Iterator[str]:
    for party in case_report.failing(case)[:SAMPLE]:
        yield f"  not told: {party}, tried {party.attempts} times, {party.last_error}"


def doors(proofs: Iterable[DoorProof]) -> Iterator[str]:
    """What each gateway decided when it was asked about every key of the case."""
    for door in proofs:
        took = door.seconds_to_zero
        zero = f", all of them {took:,.1f} s after the act" if took is not None else ""
        yield f"  {door.name} {door.door}: refuses {door.refused:,} of {door.asked:,}{zero}"
        if door.let_through:
            yield f"  ! lets through {', '.join(door.let_through[:SAMPLE])}"


def bar(headway: Headway) -> str:
    """`[######------] 1,204 of 2,000 told, 120 a second, 7 s left`."""
    full = _WIDTH * headway.done // max(headway.total, 1)
    drawn = "#" * full + "-" * (_WIDTH - full)
    return f"[{drawn}] {progress(headway)}"


def progress(headway: Headway) -> str:
    left = headway.time_left
    pace = f", {headway.rate:,.1f} a second, {_span(left)} left" if left is not None else ""
    return f"{headway.done:,} of {headway.total:,} keys seen to{pace}"


def _span(left: timedelta) -> str:
    seconds = int(left.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60:,} min"


@dataclass
class Watch:
    """Follows a confirmed case until it is over or nothing has moved for `patience` seconds.

    Only reads: closing the terminal stops nothing.
    """

    case: Revocation
    write: Callable[[str], object]
    patience: float
    terminal: bool = False
    _moved: float = field(default_factory=time.monotonic)
    _said: float = 0.0
    _last: tuple[int, int] = (-1, -1)

    def follow(self) -> bool:
        """True when every partner is told."""
        while not self._over():
            time.sleep(_LOOK_EVERY)
        if self.terminal:
            self.write("\n")
        return self.case.status == RevocationStatus.COMPLETED

    def _over(self) -> bool:
        # The count comes first: a case that is closed in between is looked at once more.
        headway = case_report.headway(self.case)
        self.case.refresh_from_db()
        now = time.monotonic()
        if (headway.marked, headway.done) != self._last:
            self._last, self._moved = (headway.marked, headway.done), now
        over = self.case.status in _OVER
        self._say(headway, now, last=over)
        return over or self.case.paused_at is not None or now - self._moved >= self.patience

    def _say(self, headway: Headway, now: float, *, last: bool) -> None:
        if self.terminal:
            self.write(f"\r{bar(headway):<79}")
        elif last or now - self._said >= _SAY_EVERY:
            self._said = now
            self.write(f"{progress(headway)}\n")


def minutes_left(case: Revocation) -> int:
    left = (case.expires_at or timezone.now()) - timezone.now()
    return max(0, int(left.total_seconds() // 60))
