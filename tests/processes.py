"""Real servers beside the test: started, waited for, ended with the test."""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import psutil
import pytest
from celery import current_app
from celery.exceptions import DuplicateNodenameWarning
from django.conf import settings as django_settings
from django.db import connection

from portal.embedded import die_with_parent
from portal.run import ports
from tests import warm

PATIENCE = 30
Running: TypeAlias = subprocess.Popen[bytes] | warm.Forked
QUEUES = "celery,mail"  # what one worker of a test takes, unless it is told otherwise


# Held until the process ends: what a stopped server listened on is given to nobody else.
_given = contextlib.ExitStack()
atexit.register(_given.close)


def free_port() -> int:
    """A port nobody has, and nobody else gets: not this process again, not another test worker."""
    return ports.claim(21_000 + os.getpid() % 9_000, _given)


def portal_environment(**more: str) -> dict[str, str]:
    """The environment of a process that shares this test's own database and files."""
    server, _, _name = os.environ["DATABASE_URL"].rpartition("/")
    ours = {
        "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}",
        "DATA_DIR": str(django_settings.DATA_DIR),
    }
    return {**os.environ, **ours, **more}


def production_environment(**more: str) -> dict[str, str]:
    """As portal_environment, with nothing relaxed: https is asked for, and no demo stands by."""
    names = {
        "ALLOWED_HOSTS": "portal.example.org",
        "BASE_URL": "https://portal.example.org",
        "SECURITY_CONTACT": "mailto:security@portal.example.org",
    }
    env = portal_environment(**(names | more))
    # The last is what the browser's driver wants in the tests' own process.
    relaxed = {"DEMO", "DEBUG", "DJANGO_ALLOW_ASYNC_UNSAFE"}
    return {name: value for name, value in env.items() if name not in relaxed}


@contextlib.contextmanager
def web(application: str, env: Mapping[str, str], port: int | None = None) -> Iterator[str]:
    """Serve a WSGI application with granian, as in production; yields its address."""
    with server(application, env, port) as (address, _running):
        yield address


@contextlib.contextmanager
def server(
    application: str, env: Mapping[str, str], port: int | None = None
) -> Iterator[tuple[str, Running]]:
    """As web; yields the process, too, for whoever means to kill it."""
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--blocking-threads", "4", "--log-level", "warning"]
    command += ["--workers-kill-timeout", "5"]
    with process([*command, application], env) as running:
        wait_for(f"{address}/healthz", running)
        yield address, running


def start(
    command: list[str],
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdout: warm.Output = None,
    stderr: warm.Output = None,
) -> Running:
    """Start a command that ends with this test process at the latest."""
    if warm.can_start(command, env, cwd):
        return warm.Forked(command, env, stdout, stderr)
    # The tie is one system call prepared before the fork, so threads of the test do not matter.
    return subprocess.Popen(
        command,
        env=dict(env),
        cwd=cwd,
        stdout=stdout,
        stderr=stderr,
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509
    )


@contextlib.contextmanager
def process(
    command: list[str], env: Mapping[str, str], cwd: Path | None = None
) -> Iterator[Running]:
    """Run a command until the block ends; ended with the test, however the test ends."""
    running = start(command, env, cwd)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            kill(running)


def finished(command: list[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """How a command ended, and what it said."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        running = start(command, env, stdout=out, stderr=err)
        try:
            ended = running.wait(timeout=4 * PATIENCE)
        except subprocess.TimeoutExpired:
            kill(running)
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, ended, out.read(), err.read())


def wait_for(address: str, running: Running) -> None:
    """Poll until something answers there, other than that it failed."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if running.poll() is not None:
            raise RuntimeError(f"{running.args} ended with {running.returncode}")
        with contextlib.suppress(urllib.error.URLError, OSError):
            if _status(address) < 500:
                return
        time.sleep(0.05)
    raise TimeoutError(f"Nothing answers at {address}.")


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code


def kill(running: Running) -> None:
    """kill -9, the children too: what a machine that loses its power looks like."""
    for each in family(running):
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    running.wait()


def family(running: Running) -> list[psutil.Process]:
    parent = psutil.Process(running.pid)
    return [*parent.children(recursive=True), parent]


class Worker:
    """A real Celery worker on this test's own database and broker; start, stop or kill it."""

    def __init__(self) -> None:
        self.name = f"test{os.getpid()}@localhost"
        self.running: Running | None = None

    def start(
        self,
        *,
        beat: bool = False,
        concurrency: int = 1,
        queues: str = QUEUES,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start it and wait until it answers. With `beat` it also reconciles on schedule."""
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "portal", "worker"]
        command += ["--hostname", self.name, "--concurrency", str(concurrency)]
        command += ["--loglevel", "warning", "--queues", queues]
        command += ["--without-gossip", "--without-mingle", *(["--beat"] if beat else [])]
        self.running = start(command, env or portal_environment())
        until(self.answers)

    def answers(self) -> bool:
        if self.running.poll() is not None:
            raise RuntimeError(f"The worker ended with {self.running.returncode}.")
        with warnings.catch_warnings():
            # A slow answer to an earlier ping arrives beside the next one's.
            warnings.simplefilter("ignore", DuplicateNodenameWarning)
            return bool(current_app.control.ping(destination=[self.name], timeout=0.2, limit=1))

    def stop(self) -> None:
        """Let it finish what it is doing."""
        if self.running is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                for each in self._family():
                    each.resume()  # a frozen one hears nothing
            self.running.terminate()
            try:
                self.running.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
        self.running = None

    def freeze(self) -> None:
        """Stop its clock: it holds its connections and does nothing."""
        for each in self._family():
            each.suspend()

    def kill(self) -> None:
        kill(self.running)
        self.running = None

    def _family(self) -> list[psutil.Process]:
        return family(self.running)


@pytest.fixture
def worker(settings, tmp_path) -> Iterator[Worker]:
    """Services ring, and whoever calls `worker.start()` has somebody who hears it.

    Until then the rings wait in the broker, as they do while every worker is down. Mails and
    other files are this test's own. The database must be transactional:
    django_db(transaction=True).
    """
    settings.DOORBELL = True
    settings.DATA_DIR = tmp_path / "files"
    settings.EMAIL_FILE_PATH = settings.DATA_DIR / "mail"
    settings.EMAIL_FILE_PATH.mkdir(parents=True)
    _forget_rings()
    started = Worker()
    yield started
    if started.running is not None:
        started.kill()  # to end in order takes it three seconds, and nobody looks any more


def _forget_rings() -> None:
    """Those of an earlier test, whose rows are gone."""
    with current_app.connection_for_write() as link:
        for queue in (*QUEUES.split(","), "webhooks"):
            link.default_channel.queue_purge(queue)


def until(true: Callable[[], object], patience: float = PATIENCE) -> None:
    """Poll until `true()` is, or fail."""
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not true within {patience} s: {true}")
        time.sleep(0.05)
