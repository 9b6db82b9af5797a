"""The thread that polls."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from asking import code, until
from portal_double import (
    AUDIENCE,
    GATEWAY,
    SECRET,
)

from access_verifier import Code, Settings, Verifier


@pytest.fixture
def running(portal):
    """A verifier that polls by itself, by the real clock, often."""
    from access_verifier.clock import elapsed  # noqa: PLC0415

    began = elapsed()
    portal.clock.__class__ = type("Real", (), {"passed": property(lambda _: elapsed() - began)})
    settings = Settings(every=0.02, timeout=5)
    verifier = Verifier(portal.url, AUDIENCE, GATEWAY, SECRET, settings=settings)
    yield verifier
    verifier.stop()


def test_started_it_keeps_itself_fresh_and_stopped_it_does_not(portal, running):
    running.start()
    running.start()  # twice is once
    until(lambda: running.health()["snapshot_version"] == 5)
    assert code(running, portal.token()) == Code.ALLOWED
    portal.freezes = [{"level": "everything", "ref": ""}]
    until(lambda: code(running, portal.token()) == Code.FROZEN)
    assert [t.name for t in threading.enumerate()].count("access-verifier") == 1
    running.stop()
    running.stop()
    assert [t.name for t in threading.enumerate()].count("access-verifier") == 0
    running.start()
    portal.freezes = []
    until(lambda: code(running, portal.token()) == Code.ALLOWED)


def test_a_list_that_is_wanted_is_not_waited_for_a_second(portal, make_verifier, clock):
    verifier = make_verifier(every=3600)
    portal.statuses["/s/1"] = [0]
    verifier.start()
    until(lambda: verifier.health()["ready"])
    token = portal.token(status={"status_list": {"idx": 0, "uri": portal.url + "/s/1"}})
    until(lambda: code(verifier, token) == Code.ALLOWED)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_processes_that_were_forked_poll_by_themselves(portal):
    """As servers do that load the application first and then fork their workers."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-W", "ignore", here / "forking.py", portal.url, portal.token(), "20"],
        env=os.environ | {"PYTHONPATH": str(here.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["yes"] * 20, "")


def test_many_threads_ask_while_it_polls(portal, running):
    """No error, no yes for a frozen key once one of them was refused it."""
    running.start()
    until(lambda: running.health()["ready"])
    portal.published = [portal.signer]
    token, wrong = portal.token(), []
    frozen_at = threading.Event()

    def ask():
        for number in range(300):
            asked_after = frozen_at.is_set()
            found = code(running, token if number % 2 else portal.token(jti=f"j{number}"))
            if found not in {Code.ALLOWED, Code.FROZEN}:
                wrong.append(found)
            if asked_after and found is Code.ALLOWED:
                wrong.append("a yes after the no")
            if found is Code.FROZEN:
                frozen_at.set()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    portal.freezes = [{"level": "everything", "ref": ""}]
    for thread in threads:
        thread.join()
    assert wrong == []
