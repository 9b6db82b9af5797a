"""`python -m bench [door ...]` measures; `python -m bench stack` leaves the servers up."""

import json
import signal
import sys

from bench.doors import measure
from bench.stack import Stack, stack

KEYS = 100_000
ROUNDS = 5
DOORS = ("introspect", "authorize")


def main(words: list[str]) -> None:
    with stack(KEYS) as servers:
        if words == ["stack"]:
            _leave_up(servers)
            return
        results = [measure(servers, door, ROUNDS) for door in words or DOORS]
    print(f"{'measure':<14}{'ours':>10}{'floor':>10}{'ratio':>8}{'p99 ms':>10}")
    for each in results:
        numbers = f"{each['ours']:>10}{each['floor']:>10}{each['ratio']:>8}{each['p99_ms']:>10}"
        print(f"{each['measure']:<14}{numbers}")
    for each in results:
        print(json.dumps(each))


def _leave_up(servers: Stack) -> None:
    print(f"portal  {servers.portal}\nfloor   {servers.floor}")
    print(f"gateway {servers.seeded.client_id} {servers.seeded.secret}")
    print(f"keys    {servers.seeded.keys}\nCtrl-C stops everything.", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("Stopping.")


if __name__ == "__main__":
    main(sys.argv[1:])
