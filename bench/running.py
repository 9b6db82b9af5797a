"""What a gateway feels of a case of revocation: its questions about other keys, while workers write
on the case's own and tell partners.
"""

import itertools
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from bench import incidents
from bench.asking import Caller
from bench.rounds import Result, p99, result
from bench.seed import two_responders
from bench.sizes import FULL, KEYS, scaled
from bench.stack import ROOT, Stack, stop
from portal.credentials.models import Revocation
from portal.credentials.targets import Selector

ROUNDS = 5
SECONDS = 6.0 * KEYS / FULL  # at rest, and as many in the run
A_SECOND = 100  # questions: a gateway at work, not a load that fills the machine
CASE = scaled(15_000)  # keys: so many are not through within SECONDS


def verify_in_run(stack: Stack) -> list[Result]:
    """p99 of introspection in ms: `ours` while a case runs, `floor` at rest; medians of the rounds.

    At most twice as much is what we hold ourselves to. Questions are sent by the clock, and the
    time is taken from when each was due: one that waits behind a slow one counts its wait.
    """
    tokens = stack.seeded.keys.read_text().split()
    (by, second), rest, running = two_responders(), [], []
    others = itertools.cycle(random.sample(tokens[ROUNDS * CASE :], scaled(5_000)))
    _ask(stack, others)  # as a portal that is up for a while
    for turn in range(ROUNDS):
        kids = [token.split("_")[2] for token in tokens[turn * CASE : (turn + 1) * CASE]]
        case = incidents.preview(by, Selector(kids="\n".join(kids)))
        rest.append(p99(_ask(stack, others)))
        with _worker(stack, case) as begin:
            incidents.confirm(case, by, second)
            begin()
            running.append(p99(_ask(stack, others)))
            case.refresh_from_db()
            if case.completed_at:
                raise SystemExit("The case was through before it was measured.")
    ours, floor = (statistics.median(each) * 1000 for each in (running, rest))
    return [result("verify_in_run_ms", ours, floor, ratio=ours / floor, p99_ms=ours)]


def _ask(stack: Stack, tokens: Iterator[str]) -> list[float]:
    """Seconds from when each question was due to its answer, which says that the key works."""
    took, began = [], time.perf_counter()
    with closing(Caller(stack)) as caller:
        for number in range(int(SECONDS * A_SECOND)):
            due = began + number / A_SECOND
            time.sleep(max(due - time.perf_counter(), 0))
            works = caller.works(next(tokens))
            took.append(time.perf_counter() - due)
            if not works:
                raise SystemExit("A key of no case is refused.")
    return took


@contextmanager
def _worker(stack: Stack, case: Revocation) -> Iterator[Callable[[], None]]:
    """A process that goes on with the case, from when `begin()` is called, as a worker does."""
    worker = subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-m", "bench.finisher", str(case.pk)],
        cwd=ROOT,
        env={
            **os.environ,
            **stack.env,
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "DOORBELL": "0",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if worker.stdout is None or worker.stdin is None or worker.stdout.readline() != "ready\n":
            raise SystemExit("The worker does not start.")
        say = worker.stdin

        def begin() -> None:
            say.write("go\n")
            say.flush()

        yield begin
    finally:
        stop(worker)
