"""Servers for a measurement: engines, a seeded database, the portal's web and the floor's."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal import embedded
from portal.run import environment, ports

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
UP_WITHIN = 60  # seconds


@dataclass(frozen=True)
class Seeded:
    """What a load needs: the gateway's credentials, and a file with one key a line."""

    client_id: str
    secret: str
    keys: Path


@dataclass(frozen=True)
class Stack:
    """Where everything is."""

    folder: Path
    env: dict[str, str]
    portal: str  # http://127.0.0.1:<port>
    floor: str
    seeded: Seeded


@contextlib.contextmanager
def stack(keys: int) -> Iterator[Stack]:
    """Yield running servers over a fresh database of `keys` live keys; all gone afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        folder.chmod(0o755)  # PostgreSQL, started by root, runs as somebody else
        env = _environment(stack, folder)
        os.environ.update(env)
        _manage("migrate", "--verbosity=0")
        seeded = _seed(keys, folder)
        web, bare = ports.claim(18000, stack), ports.claim(18100, stack)
        portal = serve("portal.wsgi:application", web, stack, env)
        floor = serve("bench.floors.django_floor:application", bare, stack, env)
        yield Stack(folder, env, portal, floor, seeded)


def _environment(stack: ExitStack, folder: Path) -> dict[str, str]:
    embedded.private(environment.DATA)  # its secrets serve; on a fresh clone there are none yet
    urls = stack.enter_context(embedded.servers(folder / "engines"))
    return environment.portal(urls) | {"DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)}


def _manage(*words: str) -> None:
    subprocess.run([sys.executable, "manage.py", *words], cwd=ROOT, check=True)  # noqa: S603 - ours


def _seed(keys: int, folder: Path) -> Seeded:
    import django  # noqa: PLC0415 - settings are known from here on

    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    django.setup()
    from bench.copies import make_spare  # noqa: PLC0415 - they import models
    from bench.seed import seed  # noqa: PLC0415 - likewise

    seeded = Seeded(*seed(keys, folder))
    make_spare()
    return seeded


def serve(
    application: str, port: int, stack: ExitStack, env: dict[str, str], workers: int = WORKERS
) -> str:
    """Start a WSGI application as `make run` does, with one thread a worker; return its address."""
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", str(workers), "--blocking-threads", "1"]
    server = subprocess.Popen(  # noqa: S603 - ours
        [*command, "--log-level", "warning", application], cwd=ROOT, env={**os.environ, **env}
    )
    stack.callback(stop, server)
    address = f"http://127.0.0.1:{port}"
    _wait_for(address, server)
    return address


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + UP_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/gateway/authorize", timeout=2)  # noqa: S310 - ours
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{address} did not come up.")


def stop(server: "subprocess.Popen[Any]") -> None:
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
