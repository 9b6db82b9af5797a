"""In front of an ASGI application (ASGI 3, on asyncio): HTTP and WebSocket."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from access_verifier.decision import Verdict
from access_verifier.gate import AccessEnded, Gate, Refusal, is_trusted_name
from access_verifier.identity import Identity
from access_verifier.verifier import Verifier, Watch

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

IDENTITY = "access.identity"
WITH_ANSWER = "websocket.http.response"

# With these the server would send by itself what nobody can cut.
_UNWATCHED = {"http.response.pathsend", "http.response.zerocopysend"}

# How long an application that was cancelled may tidy up.
_PATIENCE = 5.0

_POLICY_VIOLATION, _TRY_AGAIN_LATER = 1008, 1013


class AccessMiddleware:
    """Lets a request through with a token that holds the scope, and tells who it is.

    The application finds an Identity in `scope["access.identity"]` and the same in x-access-…
    headers; the token itself is not passed on. `required_scope` is the scope every call needs,
    or a function of the ASGI scope that returns it. What goes on is looked at again at each
    message and every `recheck` seconds in between.
    """

    def __init__(
        self,
        app: Application,
        verifier: Verifier,
        required_scope: str | Callable[[Scope], str],
        *,
        recheck: float = 10.0,
    ) -> None:
        if recheck <= 0:
            raise ValueError("recheck is a number of seconds.")
        self._app = app
        self._gate = Gate(verifier, required_scope)
        self._recheck = recheck

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] not in {"http", "websocket"}:
            raise ValueError(f"Nobody can be let in by {scope['type']!r}.")
        found = self._judge(scope)
        if isinstance(found, Refusal):
            await _refuse(scope, receive, send, found)
            return
        watch = self._gate.verifier.watch(found)
        exchange = _Exchange(receive, send, watch)
        app = self._app(_introduced(scope, found), exchange.receive, exchange.send)
        try:
            cut = await _run(app, exchange, self._recheck)
        finally:
            self._gate.verifier.unwatch(watch)
        if cut is not None and not exchange.gone:
            await self._end(scope, exchange, cut)

    def _judge(self, scope: Scope) -> Identity | Refusal:
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value.decode("latin-1"))
        return self._gate.judge(
            scope,
            authorization=headers.get(b"authorization", []),
            address="?".join(
                (scope.get("path", ""), scope.get("query_string", b"").decode("latin-1"))
            ),
            cookie="\n".join(headers.get(b"cookie", [])),
        )

    async def _end(self, scope: Scope, exchange: "_Exchange", verdict: Verdict) -> None:
        refusal = self._gate.refusal(verdict)
        if scope["type"] == "websocket":
            stale = refusal.status is HTTPStatus.SERVICE_UNAVAILABLE
            code = _TRY_AGAIN_LATER if stale else _POLICY_VIOLATION
            await exchange.unguarded({"type": "websocket.close", "code": code})
        elif exchange.began:
            # The server breaks the connection off: nobody takes the part for the whole.
            raise AccessEnded(verdict)
        else:
            await _answer(exchange.unguarded, "http.response", refusal)


class _Exchange:
    """One request's messages, each looked at before it passes.

    `cut` is why it was stopped. It is noted here because what is raised into an application may
    come out of it as something else, or not at all.
    """

    def __init__(self, receive: Receive, send: Send, watch: Watch) -> None:
        self.unguarded = send
        self.began = False
        self.ended = False
        self.gone = False
        self.cut: Verdict | None = None
        self._receive = receive
        self._watch = watch

    def over(self) -> bool:
        if self.cut is None and not self.ended:
            verdict = self._watch.verdict()
            self.cut = None if verdict else verdict
        return self.cut is not None

    def _check(self) -> None:
        if self.over() and self.cut is not None:
            raise AccessEnded(self.cut)

    async def receive(self) -> Message:
        message = await self._receive()
        self.gone |= message["type"] in {"http.disconnect", "websocket.disconnect"}
        if not self.gone:
            self._check()
        return message

    async def send(self, message: Message) -> None:
        self._check()
        kind = message["type"]
        self.began |= kind in {"http.response.start", "websocket.accept"}
        self.ended |= kind == "websocket.close"
        self.ended |= kind == "http.response.body" and not message.get("more_body", False)
        await self.unguarded(message)


async def _run(app: Awaitable[None], exchange: _Exchange, recheck: float) -> Verdict | None:
    """Run the application until it is done, or may not go on: then why. Raises what it raises.

    It runs in a task of its own, so that one which is waiting for the model can be stopped, too.
    """
    task = asyncio.ensure_future(app)
    try:
        while not task.done():
            # What comes after the answer is the application's own business.
            await asyncio.wait({task}, timeout=None if exchange.ended else recheck)
            if not task.done() and exchange.over():
                return exchange.cut
        if exchange.cut is None:
            task.result()
        return exchange.cut
    finally:
        await _stopped(task)


async def _stopped(task: "asyncio.Future[None]") -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_PATIENCE)
    if task.done() and not task.cancelled():
        task.exception()  # looked at, so that nobody complains of it


def _introduced(scope: Scope, who: Identity) -> Scope:
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name.lower() != b"authorization" and not is_trusted_name(name.decode("latin-1"))
    ]
    headers += [(name.lower().encode(), value.encode()) for name, value in who.headers().items()]
    extensions = scope.get("extensions") or {}
    kept = {name: value for name, value in extensions.items() if name not in _UNWATCHED}
    return {**scope, "headers": headers, "extensions": kept, IDENTITY: who}


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    if scope["type"] == "http":
        await _answer(send, "http.response", refusal)
        return
    await receive()  # the wish to connect
    if WITH_ANSWER in (scope.get("extensions") or {}):
        await _answer(send, WITH_ANSWER, refusal)
    else:
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})


async def _answer(send: Send, kind: str, refusal: Refusal) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in refusal.headers]
    await send({"type": f"{kind}.start", "status": int(refusal.status), "headers": headers})
    await send({"type": f"{kind}.body", "body": refusal.body})
