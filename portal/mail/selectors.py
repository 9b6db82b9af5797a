"""What is not sent yet: for the staff's pages, for /readyz and for the metrics."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Min, Q, QuerySet
from django.db.models.functions import Coalesce
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone

from portal.mail.models import OutgoingMail
from portal.owed import Owed


def unfinished_mail() -> Owed:
    """Mails of a case are spread over time, and each is owed from when its turn comes. While about
    as many leave as may, what else is due of cases waits on purpose, and is not late. What a person
    has paused is owed, and not late.
    """
    unsent, alive = OutgoingMail.objects.filter(sent_at=None), Q(dead_at=None)
    late = _late()
    found = unsent.aggregate(
        waiting=Count("pk", filter=alive),
        dead=Count("pk", filter=~alive),
        of_cases=Count("pk", filter=alive & ~Q(case="")),
        **late,
    )
    if found.pop("of_cases") and left_within_a_minute() * 2 >= settings.MAILS_PER_MINUTE:
        found |= unsent.filter(case="").aggregate(**late)
    return Owed(**found)


def _late() -> dict[str, Min]:
    free, now = Q(dead_at=None, held=False), timezone.now()
    owed_at = Coalesce("turn_at", "queued_at")
    return {
        "since": Min(owed_at, filter=free & Q(LessThanOrEqual(owed_at, now))),
        "due_since": Min("next_attempt_at", filter=free & Q(next_attempt_at__lte=now)),
    }


def left_within_a_minute() -> int:
    """How many mails of cases: so many may, and no more."""
    lately = timezone.now() - timedelta(minutes=1)
    return OutgoingMail.objects.filter(~Q(case=""), sent_at__gt=lately).count()


@dataclass(frozen=True, slots=True)
class Post:
    """The mails of a case: how many are sent, wait, and were given up."""

    sent: int
    waiting: int
    given_up: int
    last_sent_at: datetime | None = None

    @property
    def total(self) -> int:
        return self.sent + self.waiting + self.given_up


def post_of_case(ref: str, *, template: str = "") -> Post:
    """Of one kind alone, or all: about a case there are others, to staff and after it."""
    unsent = Q(sent_at=None)
    counted = _of_case(ref, template).aggregate(
        sent=Count("pk", filter=~unsent),
        waiting=Count("pk", filter=unsent & Q(dead_at=None)),
        given_up=Count("pk", filter=unsent & Q(dead_at__isnull=False)),
        last_sent_at=Max("sent_at"),
    )
    return Post(**counted)


def have_to_leave(ref: str, templates: Collection[str]) -> bool:
    """Whether mails of these kinds about a case have not left so far."""
    unsent = OutgoingMail.objects.filter(case=ref, sent_at=None, dead_at=None)
    return unsent.filter(template__in=templates).exists()


def leaving_about(refs: Collection[str], *, template: str) -> set[str]:
    """Of these cases those of which a mail of this kind still has to leave."""
    unsent = OutgoingMail.objects.filter(case__in=refs, sent_at=None, dead_at=None)
    return set(unsent.filter(template=template).values_list("case", flat=True).distinct())


def sent_since(ref: str, since: datetime, *, template: str) -> int:
    return _of_case(ref, template).filter(sent_at__gte=since).count()


def _of_case(ref: str, template: str) -> QuerySet[OutgoingMail]:
    of_case = OutgoingMail.objects.filter(case=ref)
    return of_case.filter(template=template) if template else of_case


def failing_mails(ref: str) -> QuerySet[OutgoingMail]:
    """Of a case: those that could not be sent so far, what was given up first."""
    failed = OutgoingMail.objects.filter(case=ref, sent_at=None, attempts__gt=0)
    return failed.order_by("dead_at", "-attempts", "pk")
