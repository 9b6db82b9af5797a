"""One POST, with an end in sight: whatever the other side does, it is over in TOTAL seconds.

http.client rather than a library: what matters here is to connect to an address that was looked
at, while TLS and `Host` go by the name, and to stop somebody who sends a byte at a time. Timeouts
of sockets begin anew with each byte, so a timer shuts the connection instead.
"""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from portal.webhooks import targets

CONNECT_WITHIN = 5.0
TOTAL = 10.0
MOST_BODY = 4 * 1024  # read and thrown away, so that the other side can finish in peace


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is None when there was none; `problem` then says why, in words of ours."""

    status: int | None
    problem: str = ""

    @property
    def is_success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send it once. Redirects are not followed: they are an answer like any other."""
    deadline = _Deadline(TOTAL)
    try:
        with deadline.running():
            return _ask(url, body, headers, deadline)
    except targets.Refused as refused:
        return Answer(None, str(refused))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(None, _in_words(error, too_late=deadline.is_over))


def _ask(url: str, body: bytes, headers: Mapping[str, str], deadline: "_Deadline") -> Answer:
    target = targets.read_url(url)
    found = _connect(targets.addresses_of(target), target, deadline)
    secure = target.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    with contextlib.closing(kind(_bracketed(target.host), target.port)) as link:
        link.sock = _wrapped(found, target, deadline) if secure else found
        link.request("POST", target.path, body, {**headers, "Connection": "close"})
        answer = link.getresponse()
        if deadline.is_over:  # headers that were cut off read like headers that ended
            raise TimeoutError
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            answer.read(MOST_BODY)
        return Answer(answer.status)


def _connect(
    addresses: Sequence[str], target: targets.Target, deadline: "_Deadline"
) -> socket.socket:
    """To the first address that takes the call; to the address, never to the name."""
    connect_by = time.monotonic() + CONNECT_WITHIN
    problem: OSError = TimeoutError()
    for address in addresses:
        left = min(connect_by - time.monotonic(), deadline.left)
        if left <= 0:
            break
        try:
            found = socket.create_connection((address, target.port), timeout=left)
        except OSError as error:
            problem = error
        else:
            found.settimeout(max(deadline.left, 0.01))
            deadline.watch(found)
            return found
    raise problem


def _wrapped(found: socket.socket, target: targets.Target, deadline: "_Deadline") -> ssl.SSLSocket:
    """TLS by the name that was registered; its certificate must be good for that name."""
    context = ssl.create_default_context()
    secured = context.wrap_socket(found, server_hostname=target.host, do_handshake_on_connect=False)
    try:
        deadline.watch(secured)
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


class _Deadline:
    """Shuts the connection it watches when time is up; whoever waits for it then wakes."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True

    @property
    def left(self) -> float:
        return self._ends - time.monotonic()

    @property
    def is_over(self) -> bool:
        return self.left <= 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self._timer.start()
        try:
            yield
        finally:
            self._timer.cancel()
            self._close()

    def watch(self, found: socket.socket) -> None:
        with self._lock:
            self._watched = found
        if self.is_over:
            self._shut()

    def _shut(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._watched is not None:
                # Of the plain socket: TLS would first say goodbye, to somebody who does not listen.
                socket.socket.shutdown(self._watched, socket.SHUT_RDWR)

    def _close(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._watched is not None:
                self._watched.close()


def _in_words(error: Exception, *, too_late: bool) -> str:
    """Never the other side's own words: they are stored, and shown."""
    if too_late or isinstance(error, TimeoutError):
        return f"No answer within {TOTAL:.0f} seconds."
    if isinstance(error, ssl.SSLCertVerificationError):
        return "The certificate is not good for this name."
    if isinstance(error, ssl.SSLError):
        return "TLS failed."
    if isinstance(error, ConnectionRefusedError):
        return "Nobody listens there."
    if isinstance(error, OSError):  # a connection closed before any answer is one of these too
        return "The connection was lost."
    return "The answer was not HTTP."


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
