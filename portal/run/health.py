"""Is it up? Asked from outside, as a visitor would."""

import contextlib
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException

from celery.utils.nodenames import host_format
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

PATIENCE = 120  # seconds; what cannot work says so sooner, by ending


def missing_after(
    checks: Mapping[str, Callable[[], bool]], patience: float = PATIENCE
) -> list[str]:
    """Wait until every check holds; return the names of those that do not in time."""
    deadline = time.monotonic() + patience
    missing = list(checks)
    while missing and time.monotonic() < deadline:
        missing = [name for name in missing if not checks[name]()]
        time.sleep(0.1)
    return missing


def answers(url: str) -> bool:
    """Whether this address says 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - ours
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def node_answers(node: str) -> bool:
    """Whether the worker or beat of this name answers through the broker, `%h` being this machine.
    A broker that is not there raises errors of kombu's and of redis's own, which are no OSErrors.
    """
    from portal.celery import app  # noqa: PLC0415 - reads the settings, which are there only now

    with contextlib.suppress(OSError, OperationalError, RedisError):
        return bool(app.control.ping(destination=[host_format(node)], timeout=1, limit=1))
    return False
