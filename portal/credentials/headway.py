"""How far a confirmed case is: keys are marked, partners' mails queued, and then the mails leave.

One comes after the other, and a bar, a rate and a time left are about the one that is under way.
The keys are dead throughout.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Min, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from portal.audit.selectors import events_about
from portal.credentials.enums import ItemStatus, PartyStatus, RevocationStatus
from portal.credentials.models import Revocation
from portal.credentials.selectors import KEYS_REVOKED
from portal.mail.selectors import Post, post_of_case, sent_since

LATELY = timedelta(minutes=2)  # what a rate is taken of: an outage before it is over and done with
_PAUSED, _RESUMED = "revocation.paused", "revocation.resumed"


@dataclass(frozen=True)
class Step:
    """What is under way, or was last: so many of so many, and how many of them lately."""

    words: str
    unit: str
    done: int
    total: int
    left: int
    lately: int = 0
    seconds: float = 0.0  # of the time in which these were done, without pauses
    paused: bool = False

    @property
    def rate(self) -> float:
        """A second, of late; of less than a second there is no rate, so it counts as one."""
        return self.lately / max(self.seconds, 1.0)

    @property
    def rate_words(self) -> str:
        if not self.lately:
            return f"No {self.unit}"
        if self.rate >= 1:
            return f"{self.rate:,.1f} {self.unit} a second"
        return f"{self.rate * 60:,.1f} {self.unit} a minute"

    @property
    def time_left(self) -> timedelta | None:
        """At this rate; None where there is none, nothing is left, or somebody has paused it."""
        if self.paused or not self.left or not self.lately:
            return None
        return timedelta(seconds=round(self.left / self.rate))

    @property
    def left_words(self) -> str:
        left = self.time_left
        return in_words(left) if left is not None else ""


@dataclass(frozen=True)
class Headway:
    counts: dict[str, int]  # items by status
    told: int  # partners whose mails are queued
    failing: int  # partners for whom that has failed so far
    parties: int
    mails: int  # queued for them
    post: Post
    step: Step

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def marked(self) -> int:
        """Keys on which it is written that they are dead."""
        return self.total - self.counts[ItemStatus.FROZEN]

    @property
    def killed(self) -> int:
        return self.total - self.counts[ItemStatus.SKIPPED]

    @property
    def untold(self) -> int:
        """Keys whose holders have no mail queued yet."""
        return sum(self.counts[each] for each in _UNTOLD)


_UNTOLD = (ItemStatus.FROZEN, ItemStatus.PENDING)
_KEYS = ("Keys marked dead", "keys")
_PARTNERS = ("Partners whose mails are queued", "partners")
_MAILS = ("Mails sent", "mails")


def headway(case: Revocation) -> Headway:
    """In a fixed number of statements, however many keys there are."""
    began = case.confirmed_at or timezone.now()
    marking, telling = _marking(case, began), _telling(case)
    post = post_of_case(case.ref, template=KEYS_REVOKED)
    parties, told = telling["parties"], telling["told"]
    if marking.counts[ItemStatus.FROZEN] or not parties:
        step = marking.step
    elif telling["pending"] or not post.total or (told < parties and not post.waiting):
        step = _step_of_partners(case, telling, marking.ended or began)
    else:
        step = _step_of_mails(case, post, telling["first"] or began)
    return Headway(marking.counts, told, telling["failing"], parties, telling["mails"], post, step)


@dataclass(frozen=True)
class _Marking:
    counts: dict[str, int]
    ended: datetime | None
    step: Step


def _marking(case: Revocation, began: datetime) -> _Marking:
    """Nobody is told before every key is marked, and so until then an item's time is of that."""
    since, now = _since(began)
    rows = (
        case.items.order_by()
        .alias(at=Coalesce("done_at", "next_attempt_at"))
        .values("status")
        .annotate(
            n=Count("pk"),
            last=Max("next_attempt_at"),
            lately=Count("pk", filter=Q(at__gte=since)),
        )
    )
    by_status: dict[str, Any] = {row["status"]: row for row in rows}
    counts = {each: by_status.get(each, {}).get("n", 0) for each in ItemStatus.values}
    frozen, total = counts[ItemStatus.FROZEN], sum(counts.values())
    marked = [row for status, row in by_status.items() if status != ItemStatus.FROZEN]
    step = Step(
        *_KEYS,
        done=total - frozen,
        total=total,
        left=frozen,
        lately=sum(row["lately"] for row in marked),
        seconds=(now - since).total_seconds(),
    )
    ended = max((row["last"] for row in marked), default=None)
    return _Marking(counts, ended, step)


def _telling(case: Revocation) -> dict[str, Any]:
    done = Q(status=PartyStatus.DONE)
    return case.parties.aggregate(
        told=Count("pk", filter=done),
        pending=Count("pk", filter=Q(status=PartyStatus.PENDING)),
        failing=Count("pk", filter=Q(status=PartyStatus.FAILED)),
        parties=Count("pk"),
        mails=Coalesce(Sum("mails"), 0),
        first=Min("done_at"),
    )


def _step_of_partners(case: Revocation, telling: dict[str, Any], began: datetime) -> Step:
    since, now = _since(began)
    return Step(
        *_PARTNERS,
        done=telling["told"],
        total=telling["parties"],
        left=telling["parties"] - telling["told"],
        lately=case.parties.filter(done_at__gte=since).count(),
        seconds=_seconds_at_work(case, since, now),
        paused=case.paused_at is not None,
    )


def _step_of_mails(case: Revocation, post: Post, began: datetime) -> Step:
    since, now = _since(began)
    return Step(
        *_MAILS,
        done=post.sent,
        total=post.total,
        left=post.waiting,
        lately=sent_since(case.ref, since, template=KEYS_REVOKED) if post.waiting else 0,
        seconds=_seconds_at_work(case, since, now),
        paused=case.paused_at is not None,
    )


def _since(began: datetime) -> tuple[datetime, datetime]:
    now = timezone.now()
    return max(now - LATELY, began), now


def _seconds_at_work(case: Revocation, since: datetime, until: datetime) -> float:
    """Of this time, those in which nobody had paused it: the log knows when somebody had."""
    at_work, paused_at = (until - since).total_seconds(), None
    events = events_about(case.ref, thread=case.ref).filter(kind__in=(_PAUSED, _RESUMED))
    events = events.order_by("at", "pk")
    for kind, at in [*events.values_list("kind", "at"), (_RESUMED, until)]:
        if kind == _PAUSED:
            paused_at = paused_at or at
        elif paused_at:
            at_work -= max((at - max(paused_at, since)).total_seconds(), 0.0)
            paused_at = None
    return max(at_work, 0.0)


# --- In words -----------------------------------------------------------------------------------
def is_under_way(case: Revocation, done: Headway) -> bool:
    """Until every mail has left, or was given up."""
    telling = (RevocationStatus.RUNNING, RevocationStatus.COMPLETED_WITH_STRAGGLERS)
    return case.status in telling or done.post.waiting > 0


def is_told(case: Revocation, done: Headway) -> bool:
    """Whether everybody is, by a mail that has left."""
    return not is_under_way(case, done) and not done.post.given_up


def told_at(case: Revocation, done: Headway) -> datetime | None:
    """When the last partner was told: when the last mail had left, and not before."""
    if case.completed_at is None or case.rehearsal or done.post.waiting or done.post.given_up:
        return None
    return max(case.completed_at, done.post.last_sent_at or case.completed_at)


def heading(case: Revocation, done: Headway) -> str:
    """What the page's panel is called: nobody counts as told whose mail has not left."""
    if case.paused_at:
        return "Telling is paused"
    if done.counts[ItemStatus.FROZEN]:
        return "Marking keys"
    if case.status != RevocationStatus.COMPLETED:
        return "Telling partners"
    if done.post.waiting:
        return f"Revoked; mails are leaving: {done.post.sent:,} of {done.post.total:,}"
    return given_up(done) or told(case)


def page_heading(case: Revocation, done: Headway) -> str:
    """Without figures, which only the panel keeps true."""
    if case.paused_at:
        return "Revoked; telling is paused"
    if case.status == RevocationStatus.RUNNING:
        return "Revoked; partners are being told"
    if case.status != RevocationStatus.COMPLETED:
        return "Revoked; some partners are not told yet"
    if done.post.waiting:
        return "Revoked; mails are leaving"
    if case.rehearsal:
        return "Revoked in a drill, which nobody is told of"
    return "Revoked; some mails could not be sent" if done.post.given_up else _ALL


_ALL = "Revoked, and every partner told"


def told(case: Revocation) -> str:
    return "Nobody is told of a drill" if case.rehearsal else "Every partner has been told"


def given_up(done: Headway) -> str:
    if not done.post.given_up:
        return ""
    return f"{done.post.given_up:,} of {done.post.total:,} mails given up"


def in_words(left: timedelta) -> str:
    minutes = round(left.total_seconds() / 60)
    if left < timedelta(minutes=1):
        return "less than a minute"
    if minutes < 120:
        return "about a minute" if minutes == 1 else f"about {minutes} minutes"
    hours = round(minutes / 60)
    return f"about {hours} hours" if hours < 48 else f"about {round(hours / 24)} days"
