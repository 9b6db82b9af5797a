"""Doors whose answer is signed: a token for a key, the word that offline gateways ask for once a
second, and the list of refused keys that anybody may read. The floor is that of the other doors,
which signs nothing.

Tokens and snapshots are made anew each time. The list is kept while nothing was taken away, five
seconds at most (portal/gateway/statuslist.py), so it is mostly its signature that is measured.
"""

from contextlib import closing
from typing import Any

from bench.asking import Exchange, Gateway
from bench.doors import measure
from bench.rounds import Result
from bench.stack import Stack
from portal.gateway import signing, tokens
from portal.gateway import snapshot as snapshots
from portal.gateway import statuslist as lists

NONCE = "bench-0123456789"


def oauth_token(stack: Stack) -> list[Result]:
    with stack.seeded.keys.open() as file, closing(Exchange(stack.portal)) as holder:
        key = file.readline().strip()
        if _ours(holder.token(key), tokens.TYPE)["client_id"] != key.split("_")[2]:
            raise SystemExit("The token is of another key.")
    return [measure(stack, "oauth_token")]


def snapshot(stack: Stack) -> list[Result]:
    with closing(Gateway(stack)) as gateway:
        if _ours(gateway.snapshot(NONCE), snapshots.TYPE)["nonce"] != NONCE:
            raise SystemExit("The snapshot answers another question.")
    return [measure(stack, "snapshot")]


def status_list(stack: Stack) -> list[Result]:
    with closing(Gateway(stack)) as gateway:
        if not _ours(gateway.status_list(), lists.TYPE)["status_list"]["lst"]:
            raise SystemExit("The status list is empty.")
    return [measure(stack, "status_list")]


def _ours(text: str, typ: str) -> dict[str, Any]:
    """What it says. Of the load it is only seen that each answer is signed, not by whom."""
    claims = signing.read(text, typ=typ)
    if claims is None:
        raise SystemExit(f"Not signed by the portal: {text[:100]}")
    return claims
