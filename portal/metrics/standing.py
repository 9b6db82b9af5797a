"""How things stand, read when somebody asks: what waits, who is alive, how many keys work.

Nine statements on a connection of their own, each with a limit of time. A database that is down,
or that has stopped answering in the middle, is told of within PATIENCE like anything else.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from portal import heartbeats
from portal.credentials.levels import freezes_by_level
from portal.credentials.selectors import working_keys
from portal.health import broker_is_up, owed
from portal.owed import Owed, seconds_since
from portal.webhooks.selectors import deliveries_by_state

log = logging.getLogger(__name__)

PATIENCE = 3.5  # seconds until we tell what is known by then
_A_STATEMENT = "1s"

# What is asked of the database, the most important first.
_QUESTIONS: dict[str, Callable[[], Any]] = {
    "owed": owed,
    "last_seen": heartbeats.last_seen,
    "freezes": freezes_by_level,
    "webhooks": deliveries_by_state,
    "live_keys": lambda: working_keys().count(),
}


class Standing(Collector):
    def collect(self) -> Iterator[Metric]:
        asking = Asking()
        asking.start()
        broker = broker_is_up()
        asking.join(PATIENCE)
        found = dict(asking.found)
        yield _number("portal_database_up", "Whether PostgreSQL answers.", "up" in found)
        yield _number("portal_broker_up", "Whether Redis answers.", broker)
        if "owed" in found:
            yield from _of_rows(found["owed"])
        if "last_seen" in found:
            yield from _of_heartbeats(found["last_seen"])
        if "freezes" in found:
            yield _of_freezes(found["freezes"])
        if "live_keys" in found:
            help_ = "Keys claimed and neither revoked nor expired."
            yield _number("portal_live_keys", help_, found["live_keys"])
        if "webhooks" in found:
            yield _of_webhooks(found["webhooks"])


class Asking(threading.Thread):
    """A thread, because nothing else gets away from a database that hangs; and because each has a
    fresh connection, which is made within three seconds or not at all.
    """

    def __init__(self) -> None:
        super().__init__(name="metrics-standing", daemon=True)
        self.found: dict[str, Any] = {}

    def run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, false)", [_A_STATEMENT])
            self.found["up"] = True
            for name, question in _QUESTIONS.items():
                self._ask(name, question)
        except (DatabaseError, InterfaceError) as error:
            log.warning("metrics: no answer from the database: %s", type(error).__name__)
        finally:
            connection.close()

    def _ask(self, name: str, question: Callable[[], Any]) -> None:
        try:
            self.found[name] = question()
        except (DatabaseError, InterfaceError) as error:  # the others may be quicker to tell
            log.warning("metrics: %s not told: %s", name, type(error).__name__)


def _number(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=float(value))


def _of_rows(owed: dict[str, Owed]) -> Iterator[Metric]:
    told: list[tuple[str, str, Callable[[Owed], float]]] = [
        ("portal_unfinished_rows", "Rows workers still owe.", lambda each: each.waiting),
        (
            "portal_oldest_unfinished_seconds",
            "How long the oldest unfinished row has waited.",
            lambda each: each.oldest_seconds,
        ),
        (
            "portal_queue_age_seconds",
            "For how long a worker could have taken up the row that is late the most.",
            lambda each: each.late_seconds,
        ),
        ("portal_dead_rows", "Rows given up, for people to look at.", lambda each: each.dead),
    ]
    for name, help_, value in told:
        family = GaugeMetricFamily(name, help_, labels=["kind"])
        for kind, each in owed.items():
            family.add_metric([kind], value(each))
        yield family


def _of_freezes(freezes: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(
        "portal_freezes_in_force", "Freezes placed and not lifted.", labels=["level"]
    )
    for level, count in freezes.items():
        family.add_metric([level], count)
    return family


def _of_webhooks(states: dict[str, int]) -> Metric:
    help_ = "Events that partners' servers have not taken: waiting, or given up."
    family = GaugeMetricFamily("portal_webhook_deliveries", help_, labels=["state"])
    for state, count in states.items():
        family.add_metric([state], float(count))
    return family


def _of_heartbeats(last_seen: dict[str, datetime | None]) -> Iterator[Metric]:
    for name, seen_at in last_seen.items():
        ago = seconds_since(seen_at) if seen_at else math.inf
        help_ = f"Since {name.replace('_', ' ')} was last seen; +Inf if it never was."
        yield _number(f"portal_{name}_last_seen_seconds", help_, ago)
