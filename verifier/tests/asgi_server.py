"""A server for ASGI applications, in small."""

import asyncio

SOON = 0.02


class Server:
    """One request: what is sent to the application, and what it sends."""

    def __init__(self, *messages):
        self.messages = list(messages)
        self.sent = []

    async def receive(self):
        if self.messages:
            return self.messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return dict(self.sent[0]["headers"])

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def scope(token=None, kind="http", headers=(), **more):
    headers = list(headers)
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    return {"type": kind, "method": "GET", "path": "/", "headers": headers, **more}


def ask(app, asked, *messages):
    server = Server(*(messages or ({"type": "http.request", "body": b"", "more_body": False},)))
    asyncio.run(asyncio.wait_for(app(asked, server.receive, server.send), 30))
    return server


async def hello(asked, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


class Noting:
    def __init__(self, app=hello):
        self.app = app
        self.seen = []

    async def __call__(self, asked, receive, send):
        self.seen.append(asked)
        await self.app(asked, receive, send)
