"""What the reference verifier takes for a token, against the signature alone, on one core."""

import base64
import sys
import time
from functools import partial
from typing import Any

from bench.rounds import Result, in_turns, rates, timed
from bench.stack import ROOT, Stack

TOKENS = 4_000
ROUNDS = 7
SCOPE = "model:infer"


def verify_tokens(_stack: Stack) -> list[Result]:
    """Each token is another one and none is remembered, so every signature is computed.

    The verifier's own tests have a portal that signs whatever is wanted; the clock stands still.
    """
    sys.path += [str(ROOT / "verifier"), str(ROOT / "verifier" / "tests")]
    from portal_double import AUDIENCE, GATEWAY, SECRET, Clock, PortalDouble  # noqa: PLC0415

    from access_verifier import Settings, Verifier  # noqa: PLC0415 - a package of its own

    portal = PortalDouble(clock := Clock())
    none = Settings(most_seen=0)
    verifier = Verifier(portal.url, AUDIENCE, GATEWAY, SECRET, settings=none, clock=clock)
    verifier.poll_once()
    made = [portal.token(jti=f"jti_{n}") for n in range(TOKENS)]
    each: list[float] = []
    split = [_split(token) for token in made]
    public = portal.signer.private.public_key()
    try:
        found = in_turns(
            ROUNDS,
            lambda: timed(partial(_verify_all, verifier, made, each)),
            lambda: timed(lambda: [public.verify(*each) for each in split]),
        )
    finally:
        verifier.stop()
        portal.close()
    return [rates("verify_tokens", TOKENS, *found, each=each)]


def _verify_all(verifier: Any, made: list[str], took: list[float]) -> None:
    """Notes what each took; to look at the clock costs a thousandth of it."""
    before = time.perf_counter()
    for token in made:
        verdict = verifier.verify(token, SCOPE)
        if not verdict:
            raise SystemExit(f"The verifier refused a good token: {verdict}")
        took.append((now := time.perf_counter()) - before)
        before = now


def _split(token: str) -> tuple[bytes, bytes]:
    said, _, signature = token.rpartition(".")
    return base64.urlsafe_b64decode(signature + "=="), said.encode()
