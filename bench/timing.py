"""Whether the time of a refusal tells which key ids there are, at a door."""

import random
import statistics
from contextlib import closing

from bench.asking import Caller
from bench.rounds import Result, p99, result
from bench.sizes import scaled
from bench.stack import Stack
from portal.credentials.secrets import mint, new_kid

SAMPLES = scaled(20_000)  # half of each


def timing(stack: Stack) -> list[Result]:
    """Two lines. The first: median ms of a wrong secret (`ours`) and of an unknown kid (`floor`).

    The second: how often, of a pair drawn at random, the wrong secret took longer. Where nothing
    can be told it is one half, give or take 0.01 for so many samples (a Mann-Whitney test's
    effect size; its deviation is the root of 1 / (6 n) for n of each).
    """
    there = [token.split("_")[2] for token in stack.seeded.keys.read_text().split()]
    wrong: list[float] = []
    unknown: list[float] = []
    with closing(Caller(stack)) as caller:
        for _ in range(1_000):
            caller.took(mint(new_kid()).token)
        for _ in range(SAMPLES // 2):
            # In turns, in either order: what else the machine does falls on both alike.
            both = [(wrong, random.choice(there)), (unknown, new_kid())]  # noqa: S311 - no secret
            for times, kid in random.sample(both, 2):
                times.append(caller.took(mint(kid).token))
    ours, floor = (statistics.median(each) * 1e3 for each in (wrong, unknown))
    longer = _longer(wrong, unknown)
    return [
        result("refusal_ms", ours, floor, ratio=ours / floor, p99_ms=p99(wrong) * 1e3),
        result("refusal_told_apart", longer, 0.5, ratio=longer / 0.5),
    ]


def _longer(ones: list[float], others: list[float]) -> float:
    """The share of all pairs in which the first is the longer, from the sum of its ranks."""
    marked = sorted([(took, True) for took in ones] + [(took, False) for took in others])
    ranks = sum(rank for rank, (_, mine) in enumerate(marked, start=1) if mine)
    return (ranks - len(ones) * (len(ones) + 1) / 2) / (len(ones) * len(others))
