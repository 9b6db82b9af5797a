"""A case of revocation in a terminal: the preview, who has to act next, how far workers are."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from portal.credentials import case_items, case_report, proof
from portal.credentials.case_letter import Post, mails_before
from portal.credentials.case_report import Bars
from portal.credentials.case_standing import standing_of
from portal.credentials.contained import is_spent
from portal.credentials.enums import ItemStatus, RevocationStatus, Severity
from portal.credentials.headway import Headway, given_up, headway, is_under_way
from portal.credentials.models import Revocation
from portal.credentials.proof import DoorProof

SAMPLE = 10
IDS = 5  # of a mail that lists them
_WIDTH = 30  # of the progress bar
_LOOK_EVERY, _SAY_EVERY = 0.5, 5.0  # seconds


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
    yield from _mailed(mails_before(case, counted.mails_to))
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


def _mailed(post: Post | None) -> Iterator[str]:
    """Who is told, and in which words: of a long list of ids in them the first will do."""
    if post is None:
        return
    yield "mailed"
    for each in post.partners[:SAMPLE]:
        more = f" and {each.more:,} more" if each.more else ""
        yield f"  {each.mails:>9,}  {each.name}: {', '.join(each.first)}{more}"
    others = post.others + len(post.partners[SAMPLE:])
    if others:
        yield f"  and the people of {others:,} more"
    yield f"the mail to {post.to}"
    yield f"  | Subject: {post.letter.subject}"
    listed = 0
    for line in post.letter.text.splitlines():
        listed += line.startswith("- ")
        if listed <= IDS or not line.startswith("- "):
            yield f"  | {line}".rstrip()
    if listed > IDS:
        yield f"  ({listed - IDS:,} more lines of ids are left out here)"


_CONTAINED = "  Every gateway refuses these keys. They are not revoked."
_SPENT = "  Every key is dead already without this case: nothing is left to decide but to close it."


# --- Afterwards ---------------------------------------------------------------------------------
def standing(case: Revocation) -> Iterator[str]:
    """Where a case stands, who has brought it there, and what is owed."""
    yield f"{case.ref} {case.title}".strip()
    yield f"  {standing_of(case).words}; {keys(case.count)}; digest {case.digest}"
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
        yield f"  {owed(case, headway(case))}"
        yield from failing(case)
        yield from doors(proof.door_proofs(case))
    elif case.is_contained:
        yield _SPENT if is_spent(case) else _CONTAINED
        yield from doors(proof.door_proofs(case))
    else:
        yield "  No key of this case is revoked."
    yield from _until(case)


def _until(case: Revocation) -> Iterator[str]:
    """How long an undecided case can be confirmed."""
    if case_report.time_left(case):
        yield f"  It can be confirmed until {at(case.expires_at)}."
    elif case.status in (RevocationStatus.PREVIEWED, RevocationStatus.AWAITING_SECOND):
        yield f"  Too old to be confirmed since {at(case.expires_at)}: preview again."


def owed(case: Revocation, done: Headway) -> str:
    """What workers have still to do; the keys are dead whatever it says."""
    before = done.counts[ItemStatus.SKIPPED]
    dead = f"{keys(done.killed)} dead{f', {before:,} dead before' if before else ''}"
    if case.status == RevocationStatus.COMPLETED:
        return f"{dead}{_post(case, done)}."
    untold = done.parties - done.told
    partners = f", {untold:,} of {done.parties:,} partners" if done.parties else ""
    return f"{dead}. Owed: telling the holders of {done.untold:,}{partners}."


def _post(case: Revocation, done: Headway) -> str:
    """Nobody counts as told whose mail has not left."""
    if case.rehearsal:
        return ", nobody is told of a drill"
    if done.post.waiting:
        return f". Mails are leaving: {done.post.sent:,} of {done.post.total:,}"
    if done.post.given_up:
        return f". {given_up(done)}: the case's page lists them"
    mails = "1 mail" if done.mails == 1 else f"{done.mails:,} mails"
    return f", every partner told, {mails}"


def failing(case: Revocation) -> Iterator[str]:
    for party in case_report.failing(case)[:SAMPLE]:
        yield f"  not told: {party}, tried {party.attempts} times, {party.last_error}"


def doors(proofs: Iterable[DoorProof]) -> Iterator[str]:
    """What each gateway decided when it was asked about every key of the case."""
    asked = list(proofs)
    for door in asked:
        took = door.seconds_to_zero
        zero = f", all of them {took:,.1f} s after the act" if took is not None else ""
        yield f"  {door.name} {door.door}: refuses {door.refused:,} of {door.asked:,}{zero}"
        if door.let_through:
            yield f"  ! lets through {', '.join(door.let_through[:SAMPLE])}"
    if asked:
        yield from _late()


def _late() -> Iterator[str]:
    """What the answers leave out: they are of the database, and a gateway may keep older ones."""
    known = proof.may_be_late()
    yield "  Decided from what stands in the database. A gateway that keeps answers may be late:"
    yield f"  by up to {known['tokens_seconds']:g} s where it judges tokens by itself,"
    yield f"  by up to {known['forward_auth_seconds']:g} s behind forward-auth."


def bar(done: Headway) -> str:
    """`[######------] Keys marked dead: 1,204 of 2,000, 120.0 keys a second, 7 s left`."""
    full = _WIDTH * done.step.done // max(done.step.total, 1)
    drawn = "#" * full + "-" * (_WIDTH - full)
    return f"[{drawn}] {progress(done)}"


def progress(done: Headway) -> str:
    step, left = done.step, done.step.time_left
    pace = f", {step.rate_words}, {_span(left)} left" if left is not None else ""
    return f"{step.words}: {step.done:,} of {step.total:,}{pace}"


def _span(left: timedelta) -> str:
    seconds = int(left.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60:,} min"


@dataclass
class Watch:
    """Follows a confirmed case until the last mail has left, a partner cannot be told, or nothing
    has moved for `patience` seconds.

    Only reads: closing the terminal stops nothing.
    """

    case: Revocation
    write: Callable[[str], object]
    patience: float
    terminal: bool = False
    _moved: float = field(default_factory=time.monotonic)
    _said: float = 0.0
    _last: tuple[int, int, int] = (-1, -1, -1)

    def follow(self) -> None:
        while not self._over():
            time.sleep(_LOOK_EVERY)
        if self.terminal:
            self.write("\n")

    def _over(self) -> bool:
        # The count comes first: a case that is closed in between is looked at once more.
        done = headway(self.case)
        self.case.refresh_from_db()
        now = time.monotonic()
        at = (done.marked, done.told, done.post.sent)
        if at != self._last:
            self._last, self._moved = at, now
        stuck = self.case.status == RevocationStatus.COMPLETED_WITH_STRAGGLERS
        over = stuck or not is_under_way(self.case, done)
        self._say(done, now, last=over)
        return over or self.case.paused_at is not None or now - self._moved >= self.patience

    def _say(self, done: Headway, now: float, *, last: bool) -> None:
        if self.terminal:
            self.write(f"\r{bar(done):<99}")
        elif last or now - self._said >= _SAY_EVERY:
            self._said = now
            self.write(f"{progress(done)}\n")


def minutes_left(case: Revocation) -> int:
    left = (case.expires_at or timezone.now()) - timezone.now()
    return max(0, int(left.total_seconds() // 60))
