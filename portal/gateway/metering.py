"""How often and how much: a grant's requests a minute and tokens a day, held to at the gateway.

Limits belong to the grant, so all its keys use up the same. They come with the portal's answer
about each call: what staff change counts from the next call on, and what was counted before still
counts. Counters live in Redis, shared by every process of the gateway.

Requests: a window of 60 seconds that slides. What the one before held comes free bit by bit, so no
burst passes twice around the turn of a minute. Counting and refusing are one script in Redis:
calls at the very same time never get through together. It is two numbers by Redis's own clock; a
list of every call's time would be exact to the second, and wrong once two gateways' clocks differ.

Tokens: known only when the answer is there. A call is let in while the day (UTC) has any left, and
what it used is counted whole; so the calls under way when the day's last token is used may go
beyond, however many they are, and nothing that comes after. How many can be under way is what the
requests a minute bound. To hold tokens back for each would refuse calls that would have fitted.

Redis away, silent or full: it is asked for a quarter of a second at most, then left alone for
five. Meanwhile LIMITS_FAIL decides. `open`, the default: each process counts by itself, from
nothing. Who may call at all is decided by the portal, from PostgreSQL, and no outage of a counter
changes that; so approved people go on working, and still nobody is unlimited. `closed`: nobody
is answered, for a model where a minute of too many calls is worse than an hour of none.

Nothing here knows Django: a gateway elsewhere could use it as it is.
"""

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPMessage

import redis
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

MINUTE, DAY = 60, 24 * 60 * 60  # seconds
PATIENCE = 0.25  # seconds Redis may take, for each step
REST = 5.0  # seconds it is not asked again after it failed
PREFIX = "limits"  # of every key, before a colon
REQUESTS, TOKENS = "requests", "tokens"
LARGEST = 999_999_999_999_999  # an Integer in a header (RFC 9651, section 3.3.1)

log = logging.getLogger(__name__)

_GRANT = re.compile(r"[0-9A-Z-]{1,32}")
_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the portal said a grant may use."""

    grant: str
    requests_per_minute: int
    tokens_per_day: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One call as it was counted: let in, or `refused` by the limit of that name."""

    allowance: Allowance
    day: date
    requests_left: int
    requests_wait: int  # seconds in which no more come free
    tokens_left: int
    tokens_wait: int
    refused: str = ""

    @property
    def wait(self) -> int:
        """Seconds until another try is worth it."""
        return self.tokens_wait if self.refused == TOKENS else self.requests_wait


def allowance_of(headers: Mapping[str, str] | HTTPMessage) -> Allowance | None:
    """Read the identity headers of the portal's yes; None when a limit is missing or no number."""
    grant = headers.get("X-Access-Grant") or ""
    requests = headers.get("X-Access-Requests-Per-Minute") or ""
    tokens = headers.get("X-Access-Tokens-Per-Day") or ""
    if not (_GRANT.fullmatch(grant) and _NUMBER.fullmatch(requests) and _NUMBER.fullmatch(tokens)):
        return None
    return Allowance(grant, int(requests), int(tokens))


def headers(turn: Turn) -> dict[str, str]:
    """RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4.

    Lists of strings with parameters: q the quota, w its window in seconds; r what is left, t the
    seconds in which no more comes. qu says that the second counts tokens: that unit is not in the
    draft's registry (section 10.3), which has none for them, but its default, requests, would be
    wrong. A refusal has Retry-After too, never earlier than the end of t (section 6).
    """
    may = turn.allowance
    told = {
        "RateLimit-Policy": f'"{REQUESTS}";q={_sf(may.requests_per_minute)};w={MINUTE}, '
        f'"{TOKENS}";q={_sf(may.tokens_per_day)};qu="tokens";w={DAY}',
        "RateLimit": f'"{REQUESTS}";r={_sf(turn.requests_left)};t={turn.requests_wait}, '
        f'"{TOKENS}";r={_sf(turn.tokens_left)};t={turn.tokens_wait}',
    }
    return told | ({"Retry-After": str(turn.wait)} if turn.refused else {})


def _sf(number: int) -> int:
    return min(number, LARGEST)


class _Requests(RateLimitItemPerMinute):
    """Its key leaves out the number: by the library's own, a changed limit would begin anew."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        return "/".join((self.namespace, *map(str, identifiers)))


class Counters:
    """Both counts of every grant, in one store."""

    def __init__(self, storage: RedisStorage | MemoryStorage) -> None:
        self._storage = storage
        self._window = SlidingWindowCounterRateLimiter(storage)

    def admit(self, may: Allowance, now: datetime) -> Turn:
        """Count a call, unless a limit refuses it: a refused one uses up nothing."""
        limit = _Requests(may.requests_per_minute, namespace=REQUESTS)
        left = max(may.tokens_per_day - self._storage.get(_tokens(may.grant, now.date())), 0)
        refused = "" if left else TOKENS
        if left and not self._window.hit(limit, may.grant):
            refused = REQUESTS
        window = self._window.get_window_stats(limit, may.grant)
        return Turn(
            allowance=may,
            day=now.date(),
            requests_left=window.remaining,
            requests_wait=max(math.ceil(window.reset_time - time.time()), 1),
            tokens_left=left,
            tokens_wait=_until_midnight(now),
            refused=refused,
        )

    def spend(self, turn: Turn, tokens: int) -> Turn:
        """Count what the answer used.

        Not by one of the library's strategies: those refuse, and do not count, what goes beyond.
        """
        may = turn.allowance
        used = self._storage.incr(_tokens(may.grant, turn.day), 2 * DAY, amount=tokens)
        return replace(turn, tokens_left=max(may.tokens_per_day - used, 0))


def _tokens(grant: str, day: date) -> str:
    return f"{TOKENS}/{grant}/{day}"


def _until_midnight(now: datetime) -> int:
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    return max(math.ceil((midnight - now).total_seconds()), 1)


class Breaker:
    """Leaves what failed alone for a while; then one call tries, and the others go on without."""

    def __init__(self, rest: float = REST) -> None:
        self._rest = rest
        self._lock = threading.Lock()
        self._failing = False
        self._again_at = 0.0

    def allows(self) -> bool:
        if not self._failing:
            return True
        with self._lock:
            if time.monotonic() < self._again_at:
                return False
            self._again_at = time.monotonic() + self._rest
            return True

    def failed(self) -> bool:
        """Note a failure; whether it is the first of its kind."""
        with self._lock:
            first, self._failing = not self._failing, True
            self._again_at = time.monotonic() + self._rest
        return first

    def worked(self) -> bool:
        """Note that it works; whether it had failed before."""
        with self._lock:
            before, self._failing = self._failing, False
        return before


class Meter:
    """Counts calls in Redis, or as `fail` says while Redis does not answer.

    Without `url` each process counts by itself, which is right for a single one.
    """

    def __init__(self, url: str | None, *, fail: str = "open") -> None:
        if fail not in ("open", "closed"):
            raise ValueError("LIMITS_FAIL is open or closed")
        if fail == "closed" and not url:
            raise ValueError("LIMITS_FAIL=closed needs a Redis to fail: set SANDBOX_LIMITS_URL")
        self._open = fail == "open"
        self._shared = Counters(_redis(url)) if url else None
        self._own = Counters(MemoryStorage())
        self._alone = threading.Lock()  # the library's memory may let two through at once
        self._breaker = Breaker()

    def admit(self, may: Allowance) -> Turn | None:
        """Count a call; None when it cannot be counted and nobody is to pass uncounted."""
        now = datetime.now(UTC)
        turn = self._in_redis(lambda counters: counters.admit(may, now))
        if turn or not self._open:
            return turn
        with self._alone:
            return self._own.admit(may, now)

    def spend(self, turn: Turn, tokens: int) -> Turn:
        """Count the tokens of a call that was let in. It is answered whatever happens here."""
        spent = self._in_redis(lambda counters: counters.spend(turn, tokens))
        if spent:
            return spent
        with self._alone:
            return self._own.spend(turn, tokens)

    def _in_redis(self, count: Callable[[Counters], Turn]) -> Turn | None:
        if self._shared is None or not self._breaker.allows():
            return None
        try:
            turn = count(self._shared)
        except StorageError as error:
            self._failed(error)
            return None
        if self._breaker.worked():
            log.warning("limits are counted in Redis again")
        return turn

    def _failed(self, error: StorageError) -> None:
        if self._breaker.failed():
            instead = "each process counts by itself" if self._open else "calls are refused"
            why = type(error.storage_error).__name__
            log.warning("limits cannot be counted in Redis (%s): %s", why, instead)


def _redis(url: str) -> RedisStorage:
    """Impatient: redis-py by itself waits without end, then tries three times more.

    One more try only for a kept connection that was closed meanwhile. Should the first have been
    counted, the call counts twice: the stricter side.
    """
    pool = redis.ConnectionPool.from_url(
        url,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    return RedisStorage(url, connection_pool=pool, key_prefix=PREFIX, wrap_exceptions=True)
