"""What is asked of a verifier again and again."""

import threading
import time

from access_verifier import Code

INFER = "model:infer"
PATIENCE = 20


def code(verifier, token, scope=INFER):
    verdict = verifier.verify(token, scope)
    assert bool(verdict) == verdict.allowed == (verdict.code is Code.ALLOWED)
    return verdict.code


def problem(verifier, what="snapshot"):
    return verifier.health()["problems"].get(what)


def until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "not in time"
        threading.Event().wait(0.005)
