"""A mail server of the test's own, on this machine: takes mails and keeps them."""

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message


class Post(socketserver.ThreadingTCPServer):
    """As much of SMTP (RFC 5321) as a client needs. `hang` lets it fall silent after DATA."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Talk)
        self.taken: list[tuple[str, Message]] = []
        self.refused: dict[str, str] = {}  # what is answered when these send or are sent to
        self.hang = threading.Event()
        self.asked = threading.Event()  # somebody has handed a whole mail over

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def recipients(self) -> list[str]:
        return sorted(to for to, _mail in self.taken)


class _Talk(socketserver.StreamRequestHandler):
    server: Post

    def handle(self) -> None:
        to = ""
        self._say("220 here")
        for line in iter(self.rfile.readline, b""):
            verb = line[:4].decode().upper()
            if verb in ("MAIL", "RCPT"):
                to = line.decode().partition("<")[2].partition(">")[0]
                if to in self.server.refused:
                    self._say(self.server.refused[to])
                    continue
            if verb == "DATA":
                self._say("354 go on")
                self._take(to)
                continue
            if verb == "QUIT":
                self._say("221 bye")
                return
            self._say("250 ok")

    def _take(self, to: str) -> None:
        text = b"".join(iter(self.rfile.readline, b".\r\n"))
        self.server.asked.set()
        if self.server.hang.is_set():
            self.rfile.read()  # until the other side is gone
            return
        self.server.taken.append((to, email.message_from_bytes(text)))
        self._say("250 taken")

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


@contextmanager
def post_office(port: int = 0) -> Iterator[Post]:
    """Listens until the block ends; on `port`, where one is named, as a server that is back."""
    with Post(port) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
