"""What was used under grants, as their holders and staff see it. Days are those of UTC."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from django.db.models import Sum
from django.utils import timezone

from portal.credentials.models import Grant, UsageDay

SHOWN = 30  # days, today's the last
WEEK = 7
# Of the chart, in its own units (templates/elements/use.html): a column of 8 and a gap beside it.
STEP, HEIGHT = 10, 60


@dataclass(frozen=True)
class Day:
    """One day's counts; `refused` are calls that a limit turned away."""

    day: date
    requests: int = 0
    tokens: int = 0
    refused: int = 0

    @property
    def is_idle(self) -> bool:
        return not (self.requests or self.tokens or self.refused)


@dataclass(frozen=True)
class Use:
    """The last days of one grant, every day there, the oldest first."""

    days: list[Day]

    @property
    def today(self) -> Day:
        return self.days[-1]

    @property
    def total(self) -> Day:
        """All of it, under the first day's date."""
        return Day(
            self.days[0].day,
            sum(day.requests for day in self.days),
            sum(day.tokens for day in self.days),
            sum(day.refused for day in self.days),
        )

    @property
    def busy(self) -> list[Day]:
        """The days on which anything happened, the newest first."""
        return [day for day in reversed(self.days) if not day.is_idle]

    @property
    def busiest(self) -> Day:
        return max(self.days, key=lambda day: day.tokens)

    @property
    def width(self) -> int:
        return len(self.days) * STEP

    @property
    def columns(self) -> list[tuple[int, int, int]]:
        """(left, top, height) of each day's column; of what is anything at all some is seen."""
        most = max(self.busiest.tokens, 1)
        heights = [max(day.tokens * HEIGHT // most, 2) if day.tokens else 0 for day in self.days]
        return [(at * STEP, HEIGHT - height, height) for at, height in enumerate(heights)]


def use_of(grants: Iterable[Grant]) -> dict[int, Use]:
    """The last days of every one of these grants, by its id, in one statement."""
    grants, today = list(grants), _today()
    days = [today - timedelta(days=back) for back in reversed(range(SHOWN))]
    counted: dict[int, dict[date, Day]] = defaultdict(dict)
    for row in UsageDay.objects.filter(grant__in=grants, day__range=(days[0], days[-1])):
        counted[row.grant_id][row.day] = Day(row.day, row.requests, row.tokens, row.refused)
    return {
        grant.pk: Use([counted[grant.pk].get(day) or Day(day) for day in days]) for grant in grants
    }


def heaviest(limit: int) -> list[tuple[str, int]]:
    """(holder and grant, tokens) of those who used most within a week, the most first."""
    rows = (
        UsageDay.objects.filter(day__gt=_today() - timedelta(days=WEEK))
        .values_list("grant__ref", "grant__holder__name")
        .annotate(used=Sum("tokens"))
        .filter(used__gt=0)
        .order_by("-used", "grant__ref")[:limit]
    )
    return [(f"{holder}, {ref}", used) for ref, holder, used in rows]


def _today() -> date:
    return timezone.now().astimezone(UTC).date()
