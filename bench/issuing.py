"""From approval to a slot: one key a task, a cohort in batches, and how long one waits."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from django.db import transaction
from django.test import override_settings

from bench import tables
from bench.rounds import Result, in_turns, rates, timed, times
from bench.seed import approved, opened
from bench.stack import ROOT, Stack, stop
from portal.applications.services.moving import lock_application
from portal.audit.services import System
from portal.celery import app
from portal.credentials.models import Grant
from portal.credentials.services import issue_credential, open_grant
from portal.run.health import missing_after, node_answers

PROCESSES = 2
ONE_BY_ONE, COHORT, WAITS = 200, 2_000, 40
ROUNDS = 3
PATIENCE = 120  # seconds
# In the portal each batch rings for the next; nobody rings here. One more than it takes for each
# process: where two pick at the same moment, one may find less than a batch.
_RINGS = COHORT // 100 + PROCESSES
_LEFT = """
SELECT EXISTS (SELECT FROM credentials_credential WHERE waiting AND status = 'requested')
"""
_WHEN = (
    "SELECT extract(epoch FROM ready_at)::float FROM credentials_credential"
    " WHERE grant_id = ANY(%s) AND status = 'ready'"
)
_READY = "SELECT 1 FROM credentials_credential WHERE grant_id = %s AND status = 'ready'"


def issue(stack: Stack) -> list[Result]:
    """One key a task, and batches, by a worker of two processes; the floor of both is the loop in
    two processes. Nobody sends the mails meanwhile, which are the same rows on all three sides.

    `p99_ms` is the wait: of all that were rung for at once, 99 in 100 were there by then.
    """
    waits: list[list[float]] = [[], []]
    with _worker(stack, PROCESSES), _loops(stack) as loops:
        tasks, batches, loop = in_turns(
            ROUNDS,
            lambda: _by_tasks(waits[0]),
            lambda: _in_batches(waits[1]),
            lambda: _looped(loops),
        )
    # A cohort is larger than what the loop is given, so that there is something to measure.
    share = [each * ONE_BY_ONE / COHORT for each in batches]
    return [
        rates("issue_a_task", ONE_BY_ONE, tasks, loop, each=waits[0]),
        rates("issue_in_batches", ONE_BY_ONE, share, loop, each=waits[1]),
    ]


def _by_tasks(waits: list[float]) -> float:
    grants = opened(ONE_BY_ONE)
    began = time.time()
    seconds = timed(lambda: _ring_and_wait([("credentials.issue", [each]) for each in grants]))
    waits += _waited(grants, began)
    return seconds


def _in_batches(waits: list[float]) -> float:
    grants = opened(COHORT)
    began = time.time()
    seconds = timed(lambda: _ring_and_wait([("credentials.issue_waiting", [])] * _RINGS))
    app.control.purge()
    waits += _waited(grants, began)
    return seconds


def _waited(grants: list[int], began: float) -> list[float]:
    """Seconds until each had its slot; every one has."""
    found = [when - began for (when,) in tables.rows(_WHEN, grants)]
    if len(found) != len(grants):
        raise SystemExit(f"{len(found)} of {len(grants)} slots were made.")
    return found


def _ring_and_wait(rings: list[tuple[str, list[int]]]) -> None:
    for name, args in rings:
        app.send_task(name, args=args)
    _until(lambda: not tables.rows(_LEFT)[0][0], pause=0.01)


def _looped(loops: list["subprocess.Popen[str]"]) -> float:
    grants = opened(ONE_BY_ONE)

    def run() -> None:
        for n, loop in enumerate(loops):
            _say(loop, json.dumps(grants[n :: len(loops)]))
        for loop in loops:
            _hear(loop, "done")

    began = time.time()
    seconds = timed(run)
    _waited(grants, began)
    return seconds


def approval(stack: Stack) -> list[Result]:
    """From the approval's commit until the slot is there, the worker idle before; against the
    same function called in its place.
    """
    waiting = approved(2 * WAITS + 2)
    with _worker(stack, 1), override_settings(DOORBELL=True):
        for side in (_ring_for, _called):  # neither is cold
            side(waiting.pop())
        ours, floor = in_turns(
            WAITS, lambda: _ring_for(waiting.pop()), lambda: _called(waiting.pop())
        )
    return [times("approval_to_slot_ms", ours, floor)]


def _ring_for(application_id: int) -> float:
    grant = _approve(application_id)
    began = time.perf_counter()  # the ring left with the commit, a moment ago
    _until(lambda: tables.rows(_READY, grant.pk) != [], pause=0.0005)
    seconds = time.perf_counter() - began
    time.sleep(0.02)  # until the worker has said that it is done, and is idle
    return seconds


def _called(application_id: int) -> float:
    with override_settings(DOORBELL=False):
        grant = _approve(application_id)
        seconds = timed(lambda: issue_credential(grant_id=grant.pk, by=System("worker")))
    if not tables.rows(_READY, grant.pk):
        raise SystemExit("The call has made no slot.")
    return seconds


@transaction.atomic
def _approve(application_id: int) -> Grant:
    return open_grant(application=lock_application(application_id), by=System("bench"))


@contextmanager
def _worker(stack: Stack, processes: int) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "portal", "worker"]
    command += ["--concurrency", str(processes), "--loglevel", "error"]
    command += ["--without-gossip", "--without-mingle"]
    app.control.purge()
    with ExitStack() as cleanup:
        worker = subprocess.Popen(  # noqa: S603 - ours
            command,
            cwd=ROOT,
            env=_quiet(stack),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # a line a task
        )
        cleanup.callback(stop, worker)
        if missing_after({"worker": lambda: node_answers("celery@%h")}, PATIENCE):
            raise SystemExit("The worker does not answer.")
        _ring_and_wait([("credentials.issue", [each]) for each in opened(20 * processes)])
        yield


@contextmanager
def _loops(stack: Stack) -> Iterator[list["subprocess.Popen[str]"]]:
    with ExitStack() as cleanup:
        loops = []
        for _ in range(PROCESSES):
            loop = subprocess.Popen(
                [sys.executable, "-m", "bench.loop"],
                cwd=ROOT,
                env=_quiet(stack),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            cleanup.callback(stop, loop)
            _hear(loop, "ready")
            loops.append(loop)
        for loop in loops:
            _say(loop, json.dumps(opened(20)))
            _hear(loop, "done")
        yield loops


def _quiet(stack: Stack) -> dict[str, str]:
    """Nobody is rung for mails: sending them is not what is measured."""
    own = {"DJANGO_SETTINGS_MODULE": "portal.settings", "DOORBELL": "0"}
    return {**os.environ, **stack.env, **own}


def _say(loop: "subprocess.Popen[str]", line: str) -> None:
    if loop.stdin is not None:
        loop.stdin.write(line + "\n")
        loop.stdin.flush()


def _hear(loop: "subprocess.Popen[str]", word: str) -> None:
    if loop.stdout is None or loop.stdout.readline().strip() != word:
        raise SystemExit("The loop ended.")


def _until(true: Callable[[], bool], pause: float) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit("The worker has not finished in time.")
        time.sleep(pause)
