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
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal.credentials.selectors import unfinished_work
from portal.mail.selectors import unfinished_mail

PATIENCE = 0.5  # seconds, for each step of asking the broker
GOOD_FOR = 2.0  # seconds an answer about the broker is told again


def readyz(request: HttpRequest) -> HttpResponse:
    found = health()
    status = 200 if found["database"] == "up" else 503
    return JsonResponse(found, status=status, headers={"Cache-Control": "no-store"})


def health() -> dict[str, Any]:
    """The numbers are None when the database, which knows them, is down."""
    broker = "up" if _broker.answers(settings.REDIS_URL) else "down"
    try:
        oldest, dead = _unfinished()
    except (DatabaseError, InterfaceError):
        return _told("unavailable", "down", broker, None, None)
    status = "ready" if broker == "up" else "degraded"
    return _told(status, "up", broker, oldest, dead)


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


def _unfinished() -> tuple[int, int]:
    """How long the oldest unfinished row has waited, in seconds, and how many are given up."""
    _count, since, dead_work = unfinished_work()
    mail = unfinished_mail()
    waits = [mail.oldest] if mail.oldest else []
    if since:
        waits.append(timezone.now() - since)
    oldest = max((int(wait.total_seconds()) for wait in waits), default=0)
    return max(oldest, 0), dead_work + mail.dead


def _told(
    status: str, database: str, broker: str, oldest: int | None, dead: int | None
) -> dict[str, Any]:
    return {
        "status": status,
        "database": database,
        "broker": broker,
        "oldest_unfinished_seconds": oldest,
        "dead": dead,
    }
