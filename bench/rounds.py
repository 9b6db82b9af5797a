"""Two things measured in turns in one run, and what is told of them."""

import itertools
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

Result = dict[str, Any]
Timed = Callable[[], float]  # seconds


def result(
    measure: str, ours: float, floor: float, *, ratio: float, p99_ms: float | None = None
) -> Result:
    """`ratio` is above 1 when ours is the better for rates, and the dearer for times."""
    numbers = {"ours": _short(ours), "floor": _short(floor), "ratio": round(ratio, 2)}
    return {"measure": measure, **numbers, "p99_ms": None if p99_ms is None else _short(p99_ms)}


def in_turns(rounds: int, *sides: Timed) -> list[list[float]]:
    """Seconds of each side in each round. The order is another one from round to round, so that
    none always finds the caches as the same other one leaves them.
    """
    found: list[list[float]] = [[] for _ in sides]
    orders = itertools.cycle(itertools.permutations(range(len(sides))))
    for order in itertools.islice(orders, rounds):
        for side in order:
            found[side].append(sides[side]())
    return found


def times(measure: str, ours: list[float], floor: list[float]) -> Result:
    """Medians in ms; the ratio says how many times the floor's time ours takes."""
    mine, least = (statistics.median(each) * 1000 for each in (ours, floor))
    return result(measure, mine, least, ratio=mine / least, p99_ms=p99(ours) * 1000)


def rates(
    measure: str,
    count: int,
    ours: list[float],
    floor: list[float],
    *,
    each: list[float] | None = None,
) -> Result:
    """Medians in things a second; the ratio says how many times the floor's rate ours is. `each` is
    how long every single one of ours took.
    """
    mine, least = (count / statistics.median(seconds) for seconds in (ours, floor))
    slow = p99(each) * 1000 if each else None
    return result(measure, mine, least, ratio=mine / least, p99_ms=slow)


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[math.ceil(len(seconds) * 0.99) - 1]


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _short(number: float) -> float:
    return round(number) if number >= 100 else round(number, 2)
