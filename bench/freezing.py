"""A freeze over a million keys is one row, and it holds at the next call of whoever asks; every
other door has it within seconds.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from bench import tables
from bench.asking import SCOPE, Caller, Exchange, ForwardAuth
from bench.doors import WITHIN
from bench.revoking import QUICK_ROUNDS, change_one_row, freeze_release, lift_all, make_one_row
from bench.rounds import Result, in_turns, result, timed, times
from bench.seed import AUDIENCE
from bench.sizes import named, scaled
from bench.stack import ROOT, Stack, serve
from portal.run import ports

KEYS = scaled(1_000_000)
RELEASE = "REL-BENCHMRK"
ROUNDS = 5
HELD_TO = 3.0  # seconds in which every door refuses
PATIENCE = 60  # seconds
Asks = Callable[[str], bool]  # whether the door lets the holder of this key in


def freeze(stack: Stack) -> list[Result]:
    _fill(KEYS)
    make_one_row()
    with stack.seeded.keys.open() as file:
        key = file.readline().strip()
    return [_committed(stack, key), *_refused(stack, key)]


def _committed(stack: Stack, key: str) -> Result:
    """The time of the freeze itself; the answer right after it is no."""
    with closing(Caller(stack)) as caller:
        _must_say(caller.works, key, yes=True)

        def ours() -> float:
            seconds = timed(lambda: freeze_release(RELEASE))
            _must_say(caller.works, key, yes=False)
            lift_all()
            _must_say(caller.works, key, yes=True)
            return seconds

        found = in_turns(QUICK_ROUNDS, ours, lambda: timed(change_one_row))
    return times(f"freeze_{named(KEYS)}_ms", *found)


def _refused(stack: Stack, key: str) -> list[Result]:
    """From the commit to each door's first no, the worst of the rounds, against what we hold
    ourselves to; afterwards all of them say no. Forward-auth may rely on what it heard WITHIN, and
    nobody else asks its process; the offline gateway has a token from before.
    """
    with _doors(stack) as (doors, renew):
        worst = dict.fromkeys(doors, 0.0)
        for _ in range(ROUNDS):
            _until(lambda: _lets_in(doors, key, renew))
            freeze_release(RELEASE)
            for door, seconds in _until_refused(doors, key).items():
                worst[door] = max(worst[door], seconds)
            for works in doors.values():
                _must_say(works, key, yes=False)
            lift_all()
    return [
        result(
            f"refused_{door}_ms",
            took * 1e3,
            HELD_TO * 1e3,
            ratio=took / HELD_TO,
            p99_ms=took * 1e3,
        )
        for door, took in worst.items()
    ]


def _lets_in(doors: dict[str, Asks], key: str, renew: Callable[[str], None]) -> bool:
    """With a new token each time: one of the second of the last freeze is refused to its end."""
    renew(key)
    return all(works(key) for works in doors.values())


def _until_refused(doors: dict[str, Asks], key: str) -> dict[str, float]:
    began, found = time.perf_counter(), {}

    def look() -> bool:
        for door, works in doors.items():
            if door not in found and not works(key):
                found[door] = time.perf_counter() - began
        return len(found) == len(doors)

    _until(look)
    return found


@contextmanager
def _doors(stack: Stack) -> Iterator[tuple[dict[str, Asks], Callable[[str], None]]]:
    """All kinds of doors, and what gives the offline gateway's caller a new token."""
    sys.path.append(str(ROOT / "verifier"))
    from access_verifier import Verifier  # noqa: PLC0415 - a package of its own

    with ExitStack() as own:
        port, other = ports.claim(18200, own), ports.claim(18300, own)
        # Tokens name this address, and it is where gateways look for the status list.
        env = stack.env | {"BASE_URL": f"http://127.0.0.1:{port}"}
        portal = serve("portal.wsgi:application", port, own, env)
        env |= {"AUTHORIZE_WITHIN": WITHIN}
        lazy = serve("portal.wsgi:application", other, own, env, workers=1)
        exchange = own.enter_context(closing(Exchange(portal)))
        seeded = stack.seeded
        verifier = Verifier(portal, AUDIENCE, seeded.client_id, seeded.secret)
        own.callback(verifier.stop)
        verifier.start()
        tokens: dict[str, str] = {}
        doors: dict[str, Asks] = {
            "introspect": own.enter_context(closing(Caller(stack, portal))).works,
            "authorize_within": own.enter_context(closing(ForwardAuth(stack, lazy))).works,
            "token": exchange.works,
            "offline": lambda key: bool(verifier.verify(tokens[key], SCOPE)),
        }

        def renew(key: str) -> None:
            _until(lambda: bool(tokens.update({key: exchange.token(key)}) or tokens[key]))

        yield doors, renew


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise SystemExit(f"Not within {PATIENCE} seconds.")
        time.sleep(0.002)


def _must_say(works: Asks, key: str, *, yes: bool) -> None:
    if works(key) != yes:
        raise SystemExit(f"A door says {not yes} right after the commit.")


def _fill(count: int) -> None:
    """Keys that nobody holds, under the grants that are there; only their number matters."""
    (there,) = tables.rows("SELECT count(*) FROM credentials_credential")[0]
    (grants,) = tables.rows("SELECT count(*) FROM credentials_grant")[0]
    each = -(-max(count - there, 0) // grants)
    tables.run(
        """INSERT INTO credentials_credential (kid, kind, grant_id, name, status, scopes, digest,
               pepper_version, requested_at, claimed_at, claimed_by_id, expires_at, revoked_reason,
               revoked_by_staff, revoked_with_key)
           SELECT substr(md5(id || ' ' || n), 1, 16), 'live', id, '', 'active', scopes, '\\x00', 1,
                  now(), now(), holder_id, ends_at, '', false, false
           FROM credentials_grant, generate_series(1, %s) AS n""",
        each,
    )
    tables.run("VACUUM ANALYZE credentials_credential")
