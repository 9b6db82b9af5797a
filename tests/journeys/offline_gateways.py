"""Two gateways that judge by themselves, as their operators would write them. Run by granian, in
processes of their own; see test_offline.py.

`/` answers at once, `/ticks` goes on for as long as it may, `/silence` says one word and then
nothing (ASGI only: a WSGI stream that says nothing cannot be cut). `/health` asks no token.
"""

import asyncio
import json
import os
import threading

from access_verifier import Verifier
from access_verifier.asgi import AccessMiddleware as AsgiMiddleware
from access_verifier.wsgi import AccessMiddleware as WsgiMiddleware

EVERY, TICKS = 0.1, 600

verifier = Verifier(
    os.environ["PORTAL_URL"],
    os.environ["AUDIENCE"],
    os.environ["GATEWAY_ID"],
    os.environ["GATEWAY_SECRET"],
)
verifier.start()


def _health():
    return json.dumps(verifier.health()).encode()


def _wsgi_model(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return _ticks() if environ["PATH_INFO"] == "/ticks" else [b"hello"]


def _ticks():
    pause = threading.Event()
    for _ in range(TICKS):
        yield b"tick\n"
        pause.wait(EVERY)


_guarded_wsgi = WsgiMiddleware(_wsgi_model, verifier, "model:infer")


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/health":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [_health()]
    return _guarded_wsgi(environ, start_response)


async def _asgi_model(scope, receive, send):
    await _begin(send)
    if scope["path"] == "/ticks":
        for _ in range(TICKS):
            await send({"type": "http.response.body", "body": b"tick\n", "more_body": True})
            await asyncio.sleep(EVERY)
    elif scope["path"] == "/silence":
        await send({"type": "http.response.body", "body": b"wait\n", "more_body": True})
        await asyncio.sleep(EVERY * TICKS)
    await send({"type": "http.response.body", "body": b"hello"})


_guarded_asgi = AsgiMiddleware(_asgi_model, verifier, "model:infer")


async def asgi(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/health":
        await _begin(send)
        await send({"type": "http.response.body", "body": _health()})
    else:
        await _guarded_asgi(scope, receive, send)


async def _begin(send):
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
