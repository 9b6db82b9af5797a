"""Ports for the web and the sandbox."""

import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


def claim(first: int, stack: ExitStack) -> int:
    """Return a port nobody uses, `first` or the next one, kept from other runs until the end.

    Granian shares its port with any other granian of the same user, so two runs that start at
    once would not notice each other. The UDP port of the same number is our mark: only one
    process can have it, and the kernel takes it back whatever happens.
    """
    for port in range(first, first + 1000):
        mark = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        if _bind(mark, port) and _is_free(port):
            return port
        mark.close()
    raise OSError(f"No free port from {first} to {port}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of a run just ended do not keep the port from us.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return _bind(probe, port)


def _bind(link: socket.socket, port: int) -> bool:
    try:
        link.bind((LOOPBACK, port))
    except OSError:
        return False
    return True
