"""The network between two processes, which a test can cut or let go silent."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Wire:
    """Carries bytes from a port of its own to another until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flows = threading.Event()
        self._flows.set()
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._door = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def hold(self) -> None:
        """Connections stay, and nothing arrives: what a paused server looks like."""
        self._flows.clear()

    def cut(self) -> None:
        """Every connection ends, and each new one at once: what a restarting server looks like."""
        self._is_cut = True
        self._end_all()

    def lead_to(self, host: str, port: int) -> None:
        """Where new connections go: a server that starts again may have another port."""
        self._target = (host, port)

    def mend(self) -> None:
        self._is_cut = False
        self._flows.set()

    def close(self) -> None:
        self.mend()
        self._door.close()
        self._end_all()

    def _end_all(self) -> None:
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near = self._door.accept()[0]
                if self._is_cut:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(self._target)
                except OSError:  # nobody is there
                    near.close()
                    continue
                for one, other in ((near, far), (far, near)):
                    self._open.add(one)
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError), one:
            while data := one.recv(65_536):
                self._flows.wait()
                other.sendall(data)
        self._open.discard(one)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def wire_to(host: str, port: int) -> Iterator[Wire]:
    wire = Wire(host, port)
    try:
        yield wire
    finally:
        wire.close()
