"""What goes on through ASGI: streams and WebSockets, and how they end."""

import asyncio
import json

import pytest
from asgi_server import SOON, Noting, Server, ask, hello, scope
from asking import INFER
from portal_double import NOON

from access_verifier import Code
from access_verifier.asgi import AccessMiddleware
from access_verifier.gate import AccessEnded


@pytest.fixture
def app():
    return Noting()


@pytest.fixture
def guarded(app, verifier):
    return AccessMiddleware(app, verifier, INFER)


# --- Streams ------------------------------------------------------------------------------------


def streaming(meanwhile, chunks=1000):
    async def app(asked, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(chunks):
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            meanwhile()
        raise AssertionError("never cut")

    return app


def freeze(portal, verifier, clock):
    portal.freezes = [{"level": "person", "ref": "usr_1"}]
    clock.advance(1)
    assert verifier.poll_once()


def cut(app, verifier, asked, *messages, recheck=3600, **how):
    """Run until it is cut; returns (what was sent, why)."""
    server = Server(*messages)
    guarded = AccessMiddleware(app, verifier, INFER, recheck=recheck)
    with pytest.raises(AccessEnded) as ended:
        asyncio.run(asyncio.wait_for(guarded(asked, server.receive, server.send), 30))
    assert verifier._watches == set()
    return server.sent, ended.value.code


def bodies(sent):
    return [message["body"] for message in sent if message["type"] == "http.response.body"]


def test_a_stream_is_cut_at_the_chunk_after_its_caller_was_frozen(portal, verifier, clock):
    app = streaming(lambda: freeze(portal, verifier, clock))
    sent, why = cut(app, verifier, scope(portal.token()))
    assert (bodies(sent), why) == ([b"a"], Code.FROZEN)
    assert sent[-1]["more_body"]  # it was not made to look complete


def test_a_stream_is_cut_once_the_portal_is_silent(portal, verifier, clock):
    sent, why = cut(streaming(lambda: clock.advance(1)), verifier, scope(portal.token()))
    assert (len(bodies(sent)), why) == (15, Code.SNAPSHOT_STALE)


def test_a_stream_outlives_its_token(portal, verifier, clock):
    def meanwhile():
        clock.advance(10)
        if clock.passed > 3600:
            portal.epochs = {"grant:grt_1": portal.now}
        assert verifier.poll_once()

    sent, why = cut(streaming(meanwhile), verifier, scope(portal.token(exp=NOON + 60)))
    assert (len(bodies(sent)), why) == (361, Code.REVOKED)


class Waiting:
    """Begins an answer, then waits for the model for ever. Notes that it was stopped."""

    def __init__(self, then, begins=True):
        self.then = then
        self.begins = begins
        self.stopped = False

    async def __call__(self, asked, receive, send):
        if self.begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
        self.then()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped = True


def test_a_silent_stream_is_cut_as_well(portal, verifier, clock):
    app = Waiting(lambda: freeze(portal, verifier, clock))
    sent, why = cut(app, verifier, scope(portal.token()), recheck=SOON)
    assert (bodies(sent), why, app.stopped) == ([b"a"], Code.FROZEN, True)


def test_one_that_has_not_begun_becomes_a_refusal(portal, verifier, clock):
    app = Waiting(lambda: freeze(portal, verifier, clock), begins=False)
    server = ask(AccessMiddleware(app, verifier, INFER, recheck=SOON), scope(portal.token()))
    assert (server.status, app.stopped) == (401, True)
    app = Waiting(lambda: clock.advance(16), begins=False)
    portal.freezes = []
    clock.advance(1)
    assert verifier.poll_once()
    server = ask(AccessMiddleware(app, verifier, INFER, recheck=SOON), scope(portal.token()))
    assert (server.status, app.stopped) == (503, True)


async def looked_at(clock, times):
    """Come back when somebody has asked what time it is that often."""
    enough = clock.asked + times
    while clock.asked < enough:  # noqa: ASYNC110 - the clock knows nothing of events
        await asyncio.sleep(0)


def test_a_stream_that_may_go_on_is_left_alone(portal, verifier, clock):
    """Looked at many times while it waits, and none of them ends it."""

    async def slow(asked, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(5):
            await looked_at(clock, 3)
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})

    guarded = AccessMiddleware(slow, verifier, INFER, recheck=SOON)
    server = ask(guarded, scope(portal.token()))
    assert bodies(server.sent) == [b"a"] * 5 + [b"end"]


def test_an_application_that_will_not_be_told_is_cut_all_the_same(portal, verifier, clock):
    """It takes what is raised into it for a client that went away, and goes on."""

    async def stubborn(asked, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        freeze(portal, verifier, clock)
        for _ in range(3):
            try:
                await send({"type": "http.response.body", "body": b"a", "more_body": True})
            except AccessEnded:
                continue

    sent, why = cut(stubborn, verifier, scope(portal.token()))
    assert (bodies(sent), why) == ([], Code.FROZEN)


def test_what_comes_out_as_something_else_is_still_that(portal, verifier, clock):
    """Task groups wrap what is raised in them."""

    async def wrapping(asked, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        freeze(portal, verifier, clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(send({"type": "http.response.body", "body": b"a"}))

    _, why = cut(wrapping, verifier, scope(portal.token()))
    assert why == Code.FROZEN


def test_a_body_that_is_still_coming_in_is_refused_too(portal, verifier, clock):
    read = []

    async def uploading(asked, receive, send):
        while True:
            read.append(await receive())
            freeze(portal, verifier, clock)

    part = {"type": "http.request", "body": b"a", "more_body": True}
    guarded = AccessMiddleware(uploading, verifier, INFER)
    server = ask(guarded, scope(portal.token()), part, part, part)
    assert (read, server.status) == ([part], 401)


def test_what_an_application_does_after_its_answer_is_its_own_business(portal, verifier, clock):
    done = []

    async def app(asked, receive, send):
        await hello(asked, receive, send)
        freeze(portal, verifier, clock)
        await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=SOON * 5)
        done.append(True)

    server = ask(AccessMiddleware(app, verifier, INFER, recheck=SOON), scope(portal.token()))
    assert (server.body, done) == (b"hello", [True])


def test_when_the_server_gives_up_so_does_the_application(portal, verifier):
    app = Waiting(lambda: None)

    async def giving_up():
        server = Server()
        guarded = AccessMiddleware(app, verifier, INFER)
        task = asyncio.ensure_future(guarded(scope(portal.token()), server.receive, server.send))
        while len(server.sent) < 2:  # noqa: ASYNC110 - the next turn is soon enough
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(giving_up())
    assert app.stopped
    assert verifier._watches == set()


# --- WebSockets ---------------------------------------------------------------------------------

CONNECT = {"type": "websocket.connect"}
TEXT = {"type": "websocket.receive", "text": "hello"}
ACCEPT = {"type": "websocket.accept"}


def websocket(token=None, **more):
    return scope(token, "websocket", **more)


def test_a_websocket_without_access_is_not_accepted(portal, app, guarded):
    server = ask(guarded, websocket("junk"), CONNECT)
    assert server.sent == [{"type": "websocket.close", "code": 1008}]
    extensions = {"websocket.http.response": {}}
    server = ask(guarded, websocket("junk", extensions=extensions), CONNECT)
    assert [message["type"] for message in server.sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert (server.status, json.loads(server.body)["error"]) == (401, "invalid_token")
    assert app.seen == []


def talking(then):
    async def app(asked, receive, send):
        await receive()
        await send(ACCEPT)
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
            then()

    return app


def test_a_websocket_is_closed_at_the_next_message_or_while_it_is_silent(portal, verifier, clock):
    said = {"type": "websocket.send", "text": "hello"}
    app = talking(lambda: freeze(portal, verifier, clock))
    for messages in ([CONNECT, TEXT, TEXT], [CONNECT, TEXT]):
        portal.freezes = []
        clock.advance(1)
        assert verifier.poll_once()
        guarded = AccessMiddleware(app, verifier, INFER, recheck=SOON)
        server = ask(guarded, websocket(portal.token()), *messages)
        assert server.sent == [ACCEPT, said, {"type": "websocket.close", "code": 1008}]


def test_a_websocket_that_cannot_be_judged_is_told_to_come_again(portal, verifier, clock):
    app = talking(lambda: clock.advance(16))
    guarded = AccessMiddleware(app, verifier, INFER)
    server = ask(guarded, websocket(portal.token()), CONNECT, TEXT, TEXT)
    assert server.sent[-1] == {"type": "websocket.close", "code": 1013}


def test_a_client_that_has_left_is_not_closed_again(portal, verifier, clock):
    async def app(asked, receive, send):
        await receive()
        await send(ACCEPT)
        assert (await receive())["type"] == "websocket.disconnect"
        freeze(portal, verifier, clock)
        await send({"type": "websocket.send", "text": "too late"})

    gone = {"type": "websocket.disconnect", "code": 1001}
    server = ask(AccessMiddleware(app, verifier, INFER), websocket(portal.token()), CONNECT, gone)
    assert server.sent == [ACCEPT]
