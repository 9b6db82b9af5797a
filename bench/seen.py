"""Revoked at commit: the very next answer of every process is no, whatever it remembers."""

import random
import time
from contextlib import ExitStack, closing

from bench.asking import Caller
from bench.rounds import Result, p99, result
from bench.seed import responder
from bench.sizes import scaled
from bench.stack import Stack, serve
from portal.credentials.models import Credential, RevocationItem
from portal.credentials.services import revoke_credential
from portal.run import ports

KEYS = scaled(10_000)


def seen(stack: Stack) -> list[Result]:
    """`ours` are the answers that were no, `floor` all that were asked for; 1 is the reach.

    Two portals of one process each, so it is certain that both were asked. Each has just said yes
    to the key, so both remember it. `p99_ms` is the time from the commit to the second no.
    """
    live = set(Credential.objects.filter(status="active").values_list("kid", flat=True))
    live -= set(RevocationItem.objects.values_list("credential__kid", flat=True))
    good = [key for key in stack.seeded.keys.read_text().split() if key.split("_")[2] in live]
    tokens = random.sample(good, KEYS)
    by, refused, took = responder(), 0, []
    with ExitStack() as own:
        callers = [own.enter_context(closing(_portal(stack, own))) for _ in range(2)]
        for token in tokens:
            if not all(each.works(token) for each in callers):
                raise SystemExit("A key that nobody revoked is refused.")
            revoke_credential(kid=token.split("_")[2], reason="incident", by=by)
            began = time.perf_counter()
            refused += sum([not each.works(token) for each in callers])
            took.append(time.perf_counter() - began)
    asked = KEYS * len(callers)
    return [result("seen_at_commit", refused, asked, ratio=refused / asked, p99_ms=p99(took) * 1e3)]


def _portal(stack: Stack, own: ExitStack) -> Caller:
    address = serve("portal.wsgi:application", ports.claim(18300, own), own, stack.env, workers=1)
    return Caller(stack, address)
