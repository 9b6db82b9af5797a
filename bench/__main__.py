"""`python -m bench [measure ...]` measures; `python -m bench stack` leaves the servers up."""

import json
import signal
import sys
from collections.abc import Callable
from importlib import import_module

from bench.rounds import Result
from bench.sizes import KEYS
from bench.stack import Stack, stack

# By the module that measures it, imported once the settings are known. In this order: those
# further down fill the tables, or leave them in disorder.
MEASURES = {
    "introspect": "doors",
    "authorize": "doors",
    "authorize_within": "doors",
    "oauth_token": "signing",
    "snapshot": "signing",
    "status_list": "signing",
    "verify_tokens": "tokens",
    "timing": "timing",
    "stop": "revoking",
    "preview": "revoking",
    "preview_page": "pages",
    "revoke": "revoking",
    "approval": "issuing",
    "issue": "issuing",
    "freeze": "freezing",
    "verify_in_run": "running",
    "seen": "seen",
}


def main(words: list[str]) -> None:
    unknown = set(words) - set(MEASURES) - {"stack"}
    if unknown:
        raise SystemExit(f"Not known: {', '.join(sorted(unknown))}. Known: {', '.join(MEASURES)}")
    with stack(KEYS) as servers:
        if words == ["stack"]:
            _leave_up(servers)
            return
        results: list[Result] = []
        for name in MEASURES:
            if not words or name in words:
                print(f"{name} ...", file=sys.stderr, flush=True)
                results += (found := _measure(name)(servers))
                # As they come: what follows may fail, and an hour's work is not lost with it.
                print(*map(json.dumps, found), sep="\n", file=sys.stderr, flush=True)
    _tell(results)


def _measure(name: str) -> Callable[[Stack], list[Result]]:
    found: Callable[[Stack], list[Result]] = getattr(import_module(f"bench.{MEASURES[name]}"), name)
    return found


def _tell(results: list[Result]) -> None:
    """Rates (things a second) are better when higher; what ends in _ms is better when lower."""
    columns = ("ours", "floor", "ratio", "p99_ms")
    print(f"{'measure':<24}" + "".join(f"{name:>10}" for name in columns))
    for each in results:
        cells = ("-" if each[name] is None else each[name] for name in columns)
        print(f"{each['measure']:<24}" + "".join(f"{cell:>10}" for cell in cells))
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
