"""A server's worker, in small: polls, forks again and again, and each child says what it sees.

python forking.py URL TOKEN TIMES
"""

import os
import sys
import threading
import time

from portal_double import AUDIENCE, GATEWAY, SECRET

from access_verifier import Settings, Verifier

PATIENCE = 20


def until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        threading.Event().wait(0.002)


def version(verifier):
    return verifier.health()["snapshot_version"] or 0


def child(verifier, token):
    before = version(verifier)
    allowed = bool(verifier.verify(token, None))  # known from the parent, and it polls from here on
    until(lambda: version(verifier) > before + 2)
    os.write(1, b"yes\n" if allowed else b"no\n")


def main(url, token, times):
    verifier = Verifier(url, AUDIENCE, GATEWAY, SECRET, settings=Settings(every=0.001))
    verifier.start()
    until(lambda: version(verifier) > 0)
    for _ in range(times):
        pid = os.fork()
        if pid == 0:
            try:
                child(verifier, token)
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    before = version(verifier)
    until(lambda: version(verifier) > before)  # the parent goes on
    verifier.stop()


main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
