"""The demo's history happened over weeks: the same services, on earlier days."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import time_machine


class Calendar:
    """Days counted from today; several things of one day come minutes apart."""

    def __init__(self) -> None:
        self.today = datetime.now(UTC)
        self._minutes = 0

    def moment(self, days: float) -> datetime:
        return self.today + timedelta(days=days)

    @contextmanager
    def on_day(self, days: float) -> Iterator[None]:
        """Run the block as if it were so many days from now; never in the future."""
        self._minutes += 3
        when = self.moment(days) + timedelta(minutes=self._minutes % 120)
        with time_machine.travel(min(when, self.today), tick=True):
            yield
