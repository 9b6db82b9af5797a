"""In front of a WSGI application (PEP 3333)."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from access_verifier.gate import AccessEnded, Gate, Refusal, is_trusted_name
from access_verifier.identity import Identity
from access_verifier.verifier import Verifier, Watch

IDENTITY = "access.identity"


class AccessMiddleware:
    """Lets a request through with a token that holds the scope, and tells who it is.

    The application finds an Identity in `environ["access.identity"]` and the same in X-Access-…
    headers; the token itself is not passed on. `required_scope` is the scope every call needs,
    or a function of the environ that returns it.
    """

    def __init__(
        self,
        app: WSGIApplication,
        verifier: Verifier,
        required_scope: str | Callable[[WSGIEnvironment], str],
    ) -> None:
        self._app = app
        self._gate = Gate(verifier, required_scope)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        authorization = environ.get("HTTP_AUTHORIZATION")
        found = self._gate.judge(
            environ,
            # Servers join several headers with a comma, which no token holds.
            authorization=[] if authorization is None else [authorization],
            address="?".join((environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", ""))),
            cookie=environ.get("HTTP_COOKIE", ""),
        )
        if isinstance(found, Refusal):
            return _refuse(environ, start_response, found)
        _introduce(environ, found)
        return self._answer(environ, start_response, found)

    def _answer(
        self, environ: WSGIEnvironment, start_response: StartResponse, who: Identity
    ) -> Iterable[bytes]:
        verifier = self._gate.verifier
        watch = verifier.watch(who)
        try:
            chunks = self._app(environ, _guarded(start_response, watch))
        except BaseException:
            verifier.unwatch(watch)
            raise
        if not isinstance(chunks, list | tuple):
            return _Stream(chunks, verifier, watch)
        verifier.unwatch(watch)
        try:
            _check(watch)  # complete: nothing of it can be cut, but it may have been long in coming
        except AccessEnded as ended:
            refusal = self._gate.refusal(ended.verdict)
            return _refuse(environ, start_response, refusal, *sys.exc_info())
        return chunks


def _refuse(
    environ: WSGIEnvironment, start_response: StartResponse, refusal: Refusal, *raised: Any
) -> Iterable[bytes]:
    """With what was `raised` it takes the place of an answer that has not left; of one that has,
    the server raises it.
    """
    status = f"{refusal.status.value} {refusal.status.phrase}"
    start_response(status, list(refusal.headers), *((raised,) if raised else ()))
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [refusal.body]


def _introduce(environ: WSGIEnvironment, who: Identity) -> None:
    names = [name for name in environ if is_trusted_name(name.removeprefix("HTTP_"))]
    for name in names:
        del environ[name]
    environ.pop("HTTP_AUTHORIZATION", None)
    for name, value in who.headers().items():
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    environ[IDENTITY] = who


def _guarded(start_response: StartResponse, watch: Watch) -> StartResponse:
    """The old way of answering, by write(), is cut as well."""

    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        write = start_response(status, headers, *exc_info)

        def guarded(data: bytes) -> object:
            _check(watch)
            return write(data)

        return guarded

    return start


def _check(watch: Watch) -> None:
    verdict = watch.verdict()
    if not verdict:
        raise AccessEnded(verdict)


class _Stream:
    """The application's chunks while they may be had.

    Raising, rather than ending, is what makes a server break the connection off: a client must
    not take the part it got for the whole.
    """

    def __init__(self, chunks: Iterable[bytes], verifier: Verifier, watch: Watch) -> None:
        self._chunks = chunks
        self._iterator: Iterator[bytes] | None = None
        self._verifier = verifier
        self._watch = watch

    def __iter__(self) -> "_Stream":
        return self

    def __next__(self) -> bytes:
        _check(self._watch)
        if self._iterator is None:
            self._iterator = iter(self._chunks)
        chunk = next(self._iterator)
        _check(self._watch)  # it may have been long in coming
        return chunk

    def close(self) -> None:
        self._verifier.unwatch(self._watch)
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
