"""Portal processes that need not import the libraries first: forked from one that has.

Each test process has one such beside it, from when it first wants a web process, a worker or a
command. Two thirds of what one of those takes to start is importing Django, Celery and what they
need. Of the portal itself hardly anything is imported, and no settings are read: what is forked
has its own environment by then, and reads them as any other does.

Where processes are killed, frozen or run out of memory, it is these processes themselves: the
one they are forked from has no part in what they do. tests/faults/test_run.py and
tests/journeys/test_readme.py start theirs the plain way.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NoReturn, TypeAlias

from cffi import FFI

from portal.embedded import tie

Output: TypeAlias = IO[str] | None  # our own where it is None
HERE = Path(__file__).resolve().parent.parent
# What a portal process has imported in the end. Not what wants settings to be there, nor
# prometheus_client, which looks at the environment when it is imported.
LIBRARIES = [
    "allauth.account.checks",
    "allauth.core.ratelimit",
    "allauth.decorators",
    "allauth.mfa.checks",
    "allauth.socialaccount.checks",
    "allauth.usersessions.adapter",
    "allauth.utils",
    "asgiref.local",
    "celery.app.amqp",
    "celery.app.control",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.bin.worker",
    "celery.concurrency.prefork",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.worker.consumer",
    "csp.checks",
    "csp.constants",
    "dj_database_url",
    "dj_email_url",
    "django.contrib.admin.apps",
    "django.contrib.admin.utils",
    "django.contrib.admin.views.main",
    "django.contrib.auth.checks",
    "django.contrib.auth.hashers",
    "django.contrib.auth.management",
    "django.contrib.auth.password_validation",
    "django.contrib.auth.tokens",
    "django.contrib.auth.validators",
    "django.contrib.contenttypes.checks",
    "django.contrib.contenttypes.management",
    "django.contrib.postgres.fields",
    "django.contrib.postgres.indexes",
    "django.contrib.postgres.search",
    "django.contrib.postgres.serializers",
    "django.contrib.postgres.signals",
    "django.contrib.sessions.backends.base",
    "django.contrib.sites.requests",
    "django.contrib.sites.shortcuts",
    "django.contrib.staticfiles.checks",
    "django.core.cache.backends.locmem",
    "django.core.checks",
    "django.core.handlers.wsgi",
    "django.core.mail",
    "django.core.management",
    "django.db.backends.postgresql.base",
    "django.db.migrations.writer",
    "django.db.models",
    "django.forms",
    "django.middleware.http",
    "django.template.backends.django",
    "django.test.signals",
    "django.utils.translation.reloader",
    "django.views.decorators.http",
    "django.views.generic",
    "environs",
    "fido2.features",
    "fido2.server",
    "granian.cli",
    "granian.server",
    "joserfc.jwt",
    "kombu.transport.redis",
    "limits.storage",
    "limits.strategies",
    "marshmallow",
    "psycopg",
    "psycopg.types.hstore",
    "pythonjsonlogger.json",
    "redis",
    "smtplib",
    "timeit",
    "whitenoise.middleware",
]


# What is told by these has to be there before anything is imported.
PLAINLY = {"PYTHONPATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"}


def can_start(command: list[str], env: Mapping[str, str], cwd: Path | None = None) -> bool:
    """Whether it is one of ours, begun in our folder. Coverage wants to see each from its start."""
    ours = command[:1] == [sys.executable] and command[1:3] in (
        ["-m", "celery"],
        ["-m", "granian"],
    )
    ours = ours or command[:2] == [sys.executable, "manage.py"]
    return ours and not PLAINLY & {*env} and cwd is None and sys.platform == "linux"


def without_plainly(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in PLAINLY}


# --- Here, beside the tests ----------------------------------------------------------------------


class Forked:
    """As much of subprocess.Popen as the tests ask for."""

    def __init__(
        self, command: list[str], env: Mapping[str, str], stdout: Output, stderr: Output
    ) -> None:
        self.args, self.returncode = command, None
        self._line, theirs = socket.socketpair()
        with theirs, Path(os.devnull).open() as nothing:
            files = [nothing.fileno(), stdout.fileno() if stdout else 1]
            files.append(stderr.fileno() if stderr else 2)
            socket.send_fds(_forge(), [b"."], [theirs.fileno(), *files])
        self._told = self._line.makefile()
        self._line.sendall(json.dumps([command[1:], dict(env)]).encode() + b"\n")
        self.pid = int(self._told.readline())

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = int(self._told.readline())
            self._told.close()
            self._line.close()
        return self.returncode

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(timeout=0)

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


@functools.cache
def _forge() -> socket.socket:
    """The way to the process that forks; it ends when this one has, and nobody can ask any more."""
    ours, theirs = socket.socketpair()
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
        cwd=HERE,
        env=without_plainly(os.environ),
        pass_fds=[theirs.fileno()],
    )
    theirs.close()

    def end() -> None:
        ours.close()
        running.wait()

    atexit.register(end)
    return ours


# --- There, in the process that forks ------------------------------------------------------------


def import_libraries() -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    FFI().cdef("int a_declaration(void);")  # so does each child of a worker: its reader is kept
    gc.collect()
    gc.freeze()  # nobody's to look at, and so nobody's to copy


def fork_when_asked(asked: socket.socket) -> tuple[list[str], dict[str, str]]:
    """Return in each forked process what it is to be: its command and its environment."""
    lines: dict[int, socket.socket] = {}  # by process: who is told how it ended
    signal.signal(signal.SIGCHLD, lambda *_: _tell_how_they_ended(lines))
    while files := socket.recv_fds(asked, 1, 4)[1]:
        line = socket.socket(fileno=files.pop(0))
        command, env = json.loads(line.makefile().readline())
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # until it is in `lines`
        before, child = os.getpid(), os.fork()
        if child == 0:
            _become(before, files, [asked, line, *lines.values()])
            return command, env
        line.sendall(f"{child}\n".encode())
        lines[child] = line
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for file in files:
            os.close(file)
    sys.exit()


def _tell_how_they_ended(lines: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):  # there is none left
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            with lines.pop(ended[0]) as line, contextlib.suppress(BrokenPipeError):
                line.sendall(f"{os.waitstatus_to_exitcode(ended[1])}\n".encode())


def _become(parent: int, files: list[int], sockets: list[socket.socket]) -> None:
    """Keep nothing of the process that forks but what it has imported."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    for each in sockets:
        each.close()
    tie(signal.SIGTERM, parent)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)


def run(command: list[str], env: dict[str, str]) -> None:
    """What the interpreter does with `-m module ...` or `script ...`."""
    os.environ.clear()
    os.environ.update(env)
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")


def leave(status: object) -> NoReturn:
    """As the interpreter does, but for taking all there is to pieces: it is shared with the
    process that forked us, and would first have to be copied.
    """
    threading._shutdown()
    atexit._run_exitfuncs()
    if not isinstance(status, int | None):
        sys.stderr.write(f"{status}\n")
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    import_libraries()
    asked_for = fork_when_asked(socket.socket(fileno=int(sys.argv[1])))
    try:
        run(*asked_for)
    except SystemExit as ended:
        leave(ended.code)
    leave(0)
