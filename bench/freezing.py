"""A freeze over a million keys is one row, and it holds at the next call."""

import json
import urllib.request
from base64 import b64encode
from urllib.parse import urlencode

from bench import tables
from bench.revoking import QUICK_ROUNDS, change_one_row, freeze_release, lift_all, make_one_row
from bench.rounds import Result, in_turns, timed, times
from bench.stack import Stack

KEYS = 1_000_000
RELEASE = "REL-BENCHMRK"


def freeze(stack: Stack) -> list[Result]:
    _fill(KEYS)
    make_one_row()
    with stack.seeded.keys.open() as file:
        key = file.readline().strip()
    _must_be(active=True, stack=stack, key=key)

    def ours() -> float:
        seconds = timed(lambda: freeze_release(RELEASE))
        _must_be(active=False, stack=stack, key=key)
        lift_all()
        _must_be(active=True, stack=stack, key=key)
        return seconds

    return [times("freeze_1m_ms", *in_turns(QUICK_ROUNDS, ours, lambda: timed(change_one_row)))]


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


def _must_be(*, active: bool, stack: Stack, key: str) -> None:
    both = f"{stack.seeded.client_id}:{stack.seeded.secret}".encode()
    asked = urllib.request.Request(  # noqa: S310 - ours, on loopback
        f"{stack.portal}/oauth/introspect",
        urlencode({"token": key}).encode(),
        {"Authorization": "Basic " + b64encode(both).decode()},
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310 - likewise
        said = json.load(answer)
    if said["active"] != active:
        raise SystemExit(f"Introspection says active: {said['active']} right after the commit.")
