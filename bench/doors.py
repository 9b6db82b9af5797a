"""What a door costs: requests a second by wrk, in turns with the floor, answers checked."""

import json
import os
import re
import shutil
import statistics
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.asking import gateway_of
from bench.rounds import Result, result
from bench.sizes import scaled
from bench.stack import WORKERS, Stack, serve
from portal.run import ports

CONNECTIONS = 32
SECONDS = scaled(4)
ROUNDS = 5
ASKED_BEFORE = 3  # times that each key was asked about, on average, in a portal that is up a while
MOST_WARM_UPS = 40
WITHIN = "1"  # seconds, of the bounded cache
_SCRIPT = Path(__file__).parent / "door.lua"
_RESULT = re.compile(r"RESULT (\{.*\})")


def introspect(stack: Stack) -> list[Result]:
    return [_measured(stack, "introspect")]


def authorize(stack: Stack) -> list[Result]:
    return [_measured(stack, "authorize")]


def authorize_within(stack: Stack) -> list[Result]:
    """Forward-auth where an operator lets a door rely for a second on what it last heard."""
    with ExitStack() as own:
        env = stack.env | {"AUTHORIZE_WITHIN": WITHIN}
        portal = serve("portal.wsgi:application", ports.claim(18200, own), own, env)
        return [_measured(stack, "authorize", portal, named="authorize_within")]


def _measured(stack: Stack, door: str, portal: str = "", named: str = "") -> Result:
    """Of a door that remembers the keys it was asked about."""
    portal = portal or stack.portal
    _warm_up(stack, portal, door)
    return measure(stack, door, portal, named)


def measure(stack: Stack, door: str, portal: str = "", named: str = "") -> Result:
    """Medians over rounds, each of which loads the portal's door and the floor's by turns."""
    portal = portal or stack.portal
    ours: list[dict[str, Any]] = []
    floor: list[dict[str, Any]] = []
    for turn in range(ROUNDS):
        sides = [(ours, portal), (floor, stack.floor)]
        for found, address in sides if turn % 2 == 0 else reversed(sides):
            found.append(_load(stack, address, door))
    rates = [statistics.median(each["rps"] for each in run) for run in (ours, floor)]
    p99_ms = statistics.median(each["p99_ms"] for each in ours)
    return result(named or door, *rates, ratio=rates[0] / rates[1], p99_ms=p99_ms)


def _warm_up(stack: Stack, portal: str, door: str) -> None:
    """Each worker process has seen most keys by then, the floor's are as warm as they get."""
    wanted = ASKED_BEFORE * WORKERS * len(stack.seeded.keys.read_text().splitlines())
    _load(stack, stack.floor, door)
    for _ in range(MOST_WARM_UPS):
        wanted -= _load(stack, portal, door)["requests"]
        if wanted <= 0:
            return
    raise SystemExit(f"{door} at {portal} is too slow to warm up.")


def _load(stack: Stack, address: str, door: str) -> dict[str, Any]:
    program = shutil.which("wrk")
    if program is None:
        raise SystemExit("The load comes from wrk, which is not on the PATH (Debian: wrk).")
    told = {
        "DOOR": door,
        "KEYS": str(stack.seeded.keys),
        "GATEWAY": gateway_of(stack),
        "FLOOR": "1" if address == stack.floor else "",
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
