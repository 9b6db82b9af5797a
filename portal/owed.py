"""What workers have not finished of one kind of rows."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone


@dataclass(frozen=True, slots=True)
class Owed:
    """`since` is when the oldest of the rows that wait came to be owed; `due_since`, from when on
    a worker could have taken up the one that is late the most (a failure puts a pause before the
    next attempt). Each is None when there is no such row. `dead` were given up, for people to see.
    """

    waiting: int
    since: datetime | None
    due_since: datetime | None
    dead: int

    @property
    def oldest_seconds(self) -> float:
        return seconds_since(self.since)

    @property
    def late_seconds(self) -> float:
        return seconds_since(self.due_since)


def seconds_since(moment: datetime | None) -> float:
    """0 for nothing, and for what another machine's clock puts ahead of ours."""
    return max((timezone.now() - moment).total_seconds(), 0.0) if moment else 0.0
