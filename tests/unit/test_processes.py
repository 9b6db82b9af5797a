"""The tests' own servers do not meet."""

import signal
import socket
import sys
from contextlib import ExitStack

import psutil

from portal.run import ports
from tests import warm
from tests.processes import (
    finished,
    free_port,
    kill,
    portal_environment,
    process,
    start,
)


def test_a_port_that_was_given_is_given_to_nobody_else():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        pass  # and is stopped again
    with ExitStack() as another_process:
        assert ports.claim(port, another_process) != port
    assert free_port() != port


def forkable(**more):
    """Where coverage is counted, too."""
    return warm.without_plainly(portal_environment(**more))


def test_a_process_that_is_forked_ends_and_speaks_as_any_other(monkeypatch):
    monkeypatch.setenv("LANGUAGE_OF_THE_TEST", "none")
    env = forkable(SAID_TO_IT="this")
    del env["LANGUAGE_OF_THE_TEST"]
    asked = "import os; print(os.environ.get('SAID_TO_IT'), os.environ.get('LANGUAGE_OF_THE_TEST'))"
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c"]
    assert warm.can_start(command, env)
    said = finished([*command, asked], env)
    assert (said.returncode, said.stdout, said.stderr) == (0, "this None\n", "")
    said = finished([*command, "import sys; print('No.', file=sys.stderr); sys.exit(3)"], env)
    assert (said.returncode, said.stdout, said.stderr) == (3, "", "No.\n")
    said = finished([*command, "import sys; sys.exit('No.')"], env)
    assert (said.returncode, said.stdout, said.stderr) == (1, "", "No.\n")
    said = finished([*command, "raise KeyError('No.')"], env)
    assert (said.returncode, said.stderr.splitlines()[-1]) == (1, "KeyError: 'No.'")
    last = "import atexit, threading; atexit.register(print, 'last'); "
    last += "threading.Timer(0.1, print, ['first']).start()"
    said = finished([*command, last], env)
    assert (said.returncode, said.stdout, said.stderr) == (0, "first\nlast\n", "")


def test_a_process_that_is_forked_can_be_killed_and_leaves_none_behind():
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c"]
    running = start([*command, "import signal; signal.pause()"], forkable())
    parent = psutil.Process(running.pid).parent()
    assert running.poll() is None
    kill(running)
    assert (running.poll(), psutil.pid_exists(running.pid)) == (-signal.SIGKILL, False)
    assert running.pid not in {each.pid for each in parent.children()}


def test_a_process_that_is_forked_ends_when_it_is_told_to():
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c"]
    with process([*command, "import signal; signal.pause()"], forkable()) as running:
        assert running.poll() is None
    assert running.returncode == -signal.SIGTERM
