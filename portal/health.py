"""What /readyz tells: may this process be sent visitors, and does anything wait too long?

Ready means that it can decide: database down is 503. Broker down is "degraded" and 200, because
keys are verified, revoked, approved and claimed without it; only what follows (a key prepared, a
mail sent) waits, and `oldest_unfinished_seconds` grows until it is back. Taking web processes
out of service for that would turn a delay into an outage. Alert on these numbers instead.
"""

import threading
import time
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.credentials.selectors import unfinished_by_kind
from portal.mail.selectors import unfinished_mail
from portal.owed import Owed
from portal.webhooks.selectors import unfinished_deliveries

PATIENCE = 0.5  # seconds, for each step of asking the broker
GOOD_FOR = 2.0  # seconds an answer about the broker is told again


def readyz(request: HttpRequest) -> HttpResponse:
    found = health()
    status = 200 if found["database"] == "up" else 503
    return JsonResponse(found, status=status, headers={"Cache-Control": "no-store"})


def health() -> dict[str, Any]:
    """The numbers are None when the database, which knows them, is down."""
    broker = "up" if broker_is_up() else "down"
    try:
        rows = owed()
    except (DatabaseError, InterfaceError):
        return _told("unavailable", "down", broker, None)
    return _told("ready" if broker == "up" else "degraded", "up", broker, rows)


def owed() -> dict[str, Owed]:
    """What workers have not finished, by kind of rows: every queue there is."""
    return unfinished_by_kind() | {
        "mail": unfinished_mail(),
        "webhooks": unfinished_deliveries(),
    }


def broker_is_up() -> bool:
    """As of a moment ago; a silent broker costs one thread a second, and the others nothing."""
    return _broker.answers(settings.REDIS_URL)


def broker_answers(url: str) -> bool:
    """Ask once, on a connection of its own; a silent broker costs a second at most."""
    try:
        with redis.Redis.from_url(
            url,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError, ValueError):
        return False


class Remembered:
    """What the broker last answered, in this process.

    Anybody may ask for /readyz, as often as they like. One thread at a time asks a silent broker,
    and waits; the others tell what was known and are free for those who want to know about a key.
    """

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._known: dict[str, tuple[bool, float]] = {}  # by address: the answer, good until when

    def answers(self, url: str) -> bool:
        known = self._known.get(url)
        if known and (self._is_fresh(known) or self._asking.locked()):
            return known[0]
        with self._asking:
            known = self._known.get(url)
            if not known or not self._is_fresh(known):
                known = (broker_answers(url), time.monotonic() + GOOD_FOR)
                self._known[url] = known
        return known[0]

    def _is_fresh(self, known: tuple[bool, float]) -> bool:
        return time.monotonic() < known[1]


_broker = Remembered()


def _told(status: str, database: str, broker: str, rows: dict[str, Owed] | None) -> dict[str, Any]:
    """How long the oldest rows have waited, in seconds, and how many were given up."""
    waits = None if rows is None else {kind: int(row.oldest_seconds) for kind, row in rows.items()}
    return {
        "status": status,
        "database": database,
        "broker": broker,
        "oldest_unfinished_seconds": None if waits is None else max(waits.values()),
        "unfinished_seconds": waits,
        "dead": None if rows is None else sum(row.dead for row in rows.values()),
    }
