"""Asks the portal, and waits for a set time at most, however the answer comes."""

import base64
import http.client
import io
import os
import socket
import ssl
import time
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlsplit

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# What a kept connection ends in when the other side has closed it, which it may at any time.
_CLOSED = (http.client.BadStatusLine, BrokenPipeError, ConnectionResetError)


class NoAnswer(Exception):
    """The portal gave none that can be used. Says what happened, never what was sent."""


_abandoned: list[http.client.HTTPConnection | None] = []


class Portal:
    """One kept connection to the portal. For one thread at a time.

    Nothing but the portal's own address is ever connected to: redirects are no answer, and
    proxies named in the environment are not asked.
    """

    def __init__(
        self, url: str, *, timeout: float, plain_http: bool, tls: ssl.SSLContext | None
    ) -> None:
        self.url = url.rstrip("/")
        self._address = address = urlsplit(self.url)
        self._timeout = timeout
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError("The portal's address starts with https:// and names a host.")
        if address.username or address.query or address.fragment:
            raise ValueError("The portal's address holds a host and perhaps a path, no more.")
        if address.scheme == "http" and not (plain_http or _is_this_machine(address.hostname)):
            raise ValueError(
                "The portal's address is plain http: whoever listens gets this gateway's secret "
                "and may hand out keys of their own. Use https, or plain_http=True where "
                "nobody can listen."
            )
        self._tls = (tls or ssl.create_default_context()) if address.scheme == "https" else None
        self._kept: http.client.HTTPConnection | None = None

    def get(self, path: str, headers: Mapping[str, str], *, longest: int) -> bytes:
        """Return the body of a 200 of at most `longest` bytes. Raises NoAnswer."""
        deadline = time.monotonic() + self._timeout
        reused = self._kept is not None
        try:
            try:
                return self._ask(path, headers, longest, deadline)
            except _CLOSED:
                if not reused:
                    raise
                self.close()
                return self._ask(path, headers, longest, deadline)
        except NoAnswer:
            self.close()
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise NoAnswer(f"{type(error).__name__}: {error}"[:200]) from None

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def abandon(self) -> None:
        """After a fork: the connection is the parent's. Left as it is, but for the open file.

        The parent's thread may have held a lock of its buffers, and here nobody will let it go:
        to close it would be to wait for ever, and so would be to have it collected.
        """
        kept, self._kept = self._kept, None
        _abandoned.append(kept)
        if kept is not None and kept.sock is not None and kept.sock.fileno() >= 0:
            os.close(kept.sock.detach())

    def _ask(self, path: str, headers: Mapping[str, str], longest: int, deadline: float) -> bytes:
        connection = self._connection(_left(deadline))
        connection.response_class = partial(_Answer, deadline=deadline)  # type: ignore[assignment] # called like one
        connection.request("GET", self._address.path + path, headers=dict(headers))
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK:
            raise NoAnswer(f"status {answer.status}")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise NoAnswer("an encoding nobody asked for")
        if (answer.length or 0) > longest:
            raise NoAnswer("too long")
        body = answer.read(longest + 1)
        if len(body) > longest:
            raise NoAnswer("too long")
        if answer.length:
            raise NoAnswer("cut short")
        if not answer.isclosed():
            self.close()
        return body

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self._kept is None or self._kept.sock is None:
            host, port = self._address.hostname or "", self._address.port
            self._kept = (
                http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls)
                if self._tls
                else http.client.HTTPConnection(host, port, timeout=timeout)
            )
            self._kept.connect()
        self._kept.sock.settimeout(timeout)
        return self._kept


class _Answer(http.client.HTTPResponse):
    """An answer that has to be complete by a deadline. A socket's own timeout only bounds the
    wait for the next byte, so one byte a second would hold it for ever.
    """

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Bounded(self.fp.detach(), sock, deadline))


class _Bounded(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        self._sock.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no complete answer in time")
    return left


def basic(client_id: str, secret: str) -> str:
    """Credentials as in RFC 6749, section 2.3.1."""
    both = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(both.encode()).decode()


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
