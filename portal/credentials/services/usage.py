"""What was used, added up. A count and no decision: no event tells of it, no limit waits for it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import ClassVar
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from portal.audit.services import Actor
from portal.credentials.models import Grant, UsageDay, UsageReport

MOST = 10**12  # of anything, in one entry
_LARGEST = 2**63 - 1  # of anything, on one day: what its column holds
KEPT = timedelta(days=2)  # as long as any entry of a report could still be counted
OUT_OF_BOUNDS, DAY_CLOSED, DAY_NOT_BEGUN, UNKNOWN_GRANT = (
    "out_of_bounds",
    "day_closed",
    "day_not_begun",
    "unknown_grant",
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What was used under a grant on one day (UTC), or during a part of it."""

    COUNTS: ClassVar = ("requests", "tokens", "refused")

    grant: str
    day: date
    requests: int
    tokens: int
    refused: int

    @property
    def numbers(self) -> tuple[int, int, int]:
        return self.requests, self.tokens, self.refused


@transaction.atomic
def record_usage(
    *, report: UUID, entries: Sequence[Usage], audience: str, by: Actor
) -> list[str] | None:
    """Add a gateway's report to the days of its grants, once.

    Returns for each entry why it was not counted, "" if it was: too large a number, a day other
    than today and yesterday (UTC), a grant that is not there or not of this audience; the others
    count all the same. None for a report that was counted before: whoever sends it again at the
    very same time waits here for the first.

    One statement, in the order of grants and days, so that two reports never wait for each other.
    A day that is full stays full, rather than refuse all that is reported with it, for ever.
    """
    _, fresh = UsageReport.objects.get_or_create(reporter=by.ref, report=report)
    if not fresh:
        return None
    of_audience = Grant.objects.filter(phase__release__audience=audience)
    named = of_audience.filter(ref__in={entry.grant for entry in entries})
    grants = dict(named.values_list("ref", "pk"))
    today = timezone.now().astimezone(UTC).date()
    refused = [_refusal(entry, grants, today) for entry in entries]
    counted = (entry for entry, why in zip(entries, refused, strict=True) if not why)
    _add([(grants[entry.grant], entry) for entry in counted])
    return refused


def _refusal(entry: Usage, grants: dict[str, int], today: date) -> str:
    if not all(0 <= number <= MOST for number in entry.numbers):
        return OUT_OF_BOUNDS
    if entry.day > today:
        return DAY_NOT_BEGUN
    if entry.day < today - timedelta(days=1):
        return DAY_CLOSED
    return "" if entry.grant in grants else UNKNOWN_GRANT


def _add(entries: list[tuple[int, Usage]]) -> None:
    days: dict[tuple[int, date], list[int]] = defaultdict(lambda: [0, 0, 0])
    for grant_id, entry in entries:
        place = grant_id, entry.day
        days[place] = [sum(each) for each in zip(days[place], entry.numbers, strict=True)]
    rows = [(*place, *days[place]) for place in sorted(days)]
    if not rows:
        return
    table = UsageDay._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} AS kept (grant_id, day, requests, tokens, refused)"  # noqa: S608 - our own table's name
            " SELECT * FROM unnest(%s::bigint[], %s::date[], %s::bigint[], %s::bigint[],"
            " %s::bigint[]) AS more (grant_id, day, requests, tokens, refused)"
            " ORDER BY grant_id, day"
            " ON CONFLICT (grant_id, day) DO UPDATE SET"
            + ",".join(f" {name} = {_sum_of(name)}" for name in Usage.COUNTS),
            [list(column) for column in zip(*rows, strict=True)],
        )


def _sum_of(name: str) -> str:
    return f"least(kept.{name}::numeric + excluded.{name}, {_LARGEST})"


@transaction.atomic
def forget_reports(*, by: Actor) -> int:
    """Forget which reports were counted, once none of their days is open; returns how many."""
    gone, _ = UsageReport.objects.filter(at__lte=timezone.now() - KEPT).delete()
    return gone
