"""Web, worker, beat and sandbox side by side, by honcho, and none of them left behind."""

import contextlib
import functools
import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from honcho.manager import Manager
from honcho.process import Popen, Process

from portal.embedded import die_with_parent, tie

GRACE = 5  # seconds to finish what is being done
INTERRUPTIONS = {signal.SIGINT, signal.SIGTERM}
# By what name each answers through the broker.
NODES = {
    "worker": "worker@%h",
    "mail": "mail@%h",
    "webhooks": "webhooks@%h",
    "beat": "beat@%h",
}
ASKED_TO_STOP = (128 + signal.SIGINT, 128 + signal.SIGTERM)


def commands(web: int, sandbox: int) -> dict[str, str]:
    """What runs; `exec`, so that no shell stands between honcho and it."""
    python = shlex.quote(sys.executable)
    granian = f"{python} -m granian --interface wsgi --host 127.0.0.1 --log-level warning"
    web_server = f"{granian} --port {web} --workers 2 --blocking-threads 2"
    sandbox_server = f"{granian} --port {sandbox} --blocking-threads 4"
    celery = f"{python} -m celery --quiet -A portal"
    worker = "--without-mingle --without-gossip --concurrency"
    names = {name: f"--hostname {node}" for name, node in NODES.items()}
    return {
        "web": f"exec {web_server} portal.wsgi:application",
        "worker": f"exec {celery} worker {names['worker']} {worker} 2",
        "mail": f"exec {celery} worker {names['mail']} {worker} 1 --queues mail",
        "webhooks": f"exec {celery} worker {names['webhooks']} {worker} 2 --queues webhooks",
        "beat": f"exec {celery} beat {names['beat']} --enable-remote-control",
        "sandbox": f"exec {sandbox_server} portal.gateway.sandbox:application",
    }


class Processes(Manager):
    """When one ends all are ended: a portal without its worker only looks well."""

    def __init__(self) -> None:
        if sys.platform == "linux":  # `tie` wants honcho's processes to be our own children
            multiprocessing.set_start_method("fork", force=True)
        super().__init__()
        self._process_ctor = Tied
        self.gave_up = False

    def run(self, when_started: Callable[[], None]) -> int:
        """Run until Ctrl-C, SIGTERM or the end of one; return the exit status."""
        self.when_started = when_started
        try:
            self.loop()
        finally:
            self._leave_nothing()
        asked = self.returncode in ASKED_TO_STOP and not self.gave_up
        return 0 if asked else self.returncode or 1

    def is_alive(self, name: str) -> bool:
        return "pid" in self._processes[name] and "returncode" not in self._processes[name]

    def give_up(self, reason: str) -> None:
        """Stop everything, and fail. Called by another thread, hence the signal."""
        self._system_print(f"{reason}\n")
        self.gave_up = True
        os.kill(os.getpid(), signal.SIGTERM)

    def terminate(self) -> None:
        if not self._all_started():  # honcho stumbles over one that has not reported yet
            sys.exit(128 + signal.SIGINT)
        super().terminate()

    def _start(self) -> None:
        # An interruption in the middle of this would leave relays that nobody knows of.
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
        super()._start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTIONS)
        # Not before: a process forked while a thread holds a lock never gets that lock.
        threading.Thread(target=self.when_started, daemon=True).start()

    def _leave_nothing(self) -> None:
        """However the loop ended: what still runs is asked to go, and then made to."""
        relays = [each["process"] for each in self._processes.values() if "process" in each]
        for relay in filter(multiprocessing.Process.is_alive, relays):
            os.kill(relay.pid, signal.SIGHUP)
        for relay in relays:
            relay.join(2 * GRACE)
            relay.kill()


class Tied(Process):
    """honcho runs each command from a relay, a process of its own. Both end when ours does.

    Relays are born with interruptions blocked and stay so: a Ctrl-C is for us to pass on.
    """

    def run(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGHUP, self._end)  # the terminal was closed, or:
        if (ours := multiprocessing.parent_process()) and ours.pid:
            tie(signal.SIGHUP, ours.pid)
        self._child_ctor = Command
        super().run(*args, **options)

    def _end(self, _signal: int, _frame: object) -> NoReturn:
        if self._child:
            self._child.end()
        os._exit(1)


class Command(Popen):
    """One command and all that comes of it: a group of processes, gone when the first of it is.

    Servers have workers, which outlive a killed server and keep its port.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        before_exec = functools.partial(_unblock_and, die_with_parent(signal.SIGTERM))
        super().__init__(*args, preexec_fn=before_exec, **options)
        threading.Thread(target=self._sweep, daemon=True).start()

    def end(self) -> None:
        self._signal_all(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(GRACE)
        self._signal_all(signal.SIGKILL)

    def _sweep(self) -> None:
        self.wait()
        self._signal_all(signal.SIGKILL)

    def _signal_all(self, wanted: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, wanted)


def _unblock_and(tie_to_parent: Callable[[], None]) -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTIONS)
    tie_to_parent()
