"""What a door costs: requests a second by wrk, in turns with the floor, answers checked."""

import base64
import json
import os
import re
import shutil
import statistics
import subprocess
from pathlib import Path
from typing import Any

from bench.rounds import Result, result
from bench.stack import Stack

CONNECTIONS = 32
SECONDS = 4
ROUNDS = 5
GAIN, MOST_WARM_UPS = 1.03, 12
_SCRIPT = Path(__file__).parent / "door.lua"
_RESULT = re.compile(r"RESULT (\{.*\})")


def introspect(stack: Stack) -> list[Result]:
    return [_measure(stack, "introspect")]


def authorize(stack: Stack) -> list[Result]:
    return [_measure(stack, "authorize")]


def _measure(stack: Stack, door: str) -> Result:
    """Medians over rounds, each of which loads the portal's door and then the floor's."""
    _warm_up(stack, door)
    ours, floor = [], []
    for _ in range(ROUNDS):
        ours.append(_load(stack, stack.portal, door))
        floor.append(_load(stack, stack.floor, door))
    rates = [statistics.median(each["rps"] for each in run) for run in (ours, floor)]
    p99_ms = statistics.median(each["p99_ms"] for each in ours)
    return result(door, *rates, ratio=rates[0] / rates[1], p99_ms=p99_ms)


def _warm_up(stack: Stack, door: str) -> None:
    """As in a portal that has been up for a while: until it has not become quicker three times."""
    best, tries, without = 0.0, 0, 0
    while without < 3 and tries < MOST_WARM_UPS:
        rate = _load(stack, stack.portal, door)["rps"]
        without = 0 if rate > GAIN * best else without + 1
        best, tries = max(best, rate), tries + 1


def _load(stack: Stack, address: str, door: str) -> dict[str, Any]:
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("The load comes from wrk, which is not on the PATH (Debian: wrk).")
    both = f"{stack.seeded.client_id}:{stack.seeded.secret}".encode()
    told = {
        "DOOR": door,
        "KEYS": str(stack.seeded.keys),
        "GATEWAY": "Basic " + base64.b64encode(both).decode(),
    }
    command = [program, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-s", str(_SCRIPT)]
    done = subprocess.run(  # noqa: S603 - wrk, against loopback
        [*command, address], env=os.environ | told, capture_output=True, text=True, check=True
    )
    found = _RESULT.search(done.stdout)
    result: dict[str, Any] = json.loads(found[1]) if found else {}
    if not result or result["errors"]:
        raise SystemExit(f"{door} at {address} gave wrong answers: {done.stdout}{done.stderr}")
    return result
