"""In front of an ASGI application."""

import json

import pytest
from asgi_server import Noting, ask, scope
from asking import INFER
from portal_double import NOON

from access_verifier.asgi import AccessMiddleware


@pytest.fixture
def app():
    return Noting()


@pytest.fixture
def guarded(app, verifier):
    return AccessMiddleware(app, verifier, INFER)


def test_a_good_token_reaches_the_application_with_who_it_is(portal, app, guarded):
    server = ask(guarded, scope(portal.token()))
    assert (server.status, server.body) == (200, b"hello")
    (asked,) = app.seen
    assert asked["access.identity"].key == "key1"
    assert dict(asked["headers"]) == {
        b"x-access-subject": b"usr_1",
        b"x-access-organization": b"org_1",
        b"x-access-key-id": b"key1",
        b"x-access-grant": b"grt_1",
        b"x-access-phase": b"pha_1",
        b"x-access-release": b"rel_1",
        b"x-access-scope": b"model:embed model:infer",
    }


def test_what_the_client_says_of_itself_is_dropped(portal, app, guarded):
    spoofed = [
        (b"x-access-subject", b"usr_2"),
        (b"X-Access-Admin", b"yes"),
        (b"x_access_subject", b"usr_3"),
        (b"X_ACCESS-Grant", b"grt_2"),
        (b"x-accessory", b"kept"),
    ]
    ask(guarded, scope(portal.token(), headers=spoofed))
    (asked,) = app.seen
    names = [name for name, _ in asked["headers"]]
    assert len(names) == len(set(names)) == 8
    assert dict(asked["headers"])[b"x-access-subject"] == b"usr_1"
    assert dict(asked["headers"])[b"x-accessory"] == b"kept"


def test_whatever_is_wrong_with_a_token_the_answer_is_the_same(portal, app, guarded):
    token = portal.token()
    twice = [(b"authorization", f"Bearer {token}".encode())] * 2
    wrong = [scope(each) for each in ("junk", token[:-1], portal.token(aud="x"), "a" * 65536)]
    wrong += [scope(headers=twice)]
    wrong += [scope(headers=[(b"authorization", b"Bearer \xff")])]
    wrong += [scope(portal.token(exp=NOON - 50))]
    answers = [ask(guarded, each).sent for each in wrong]
    assert [each == answers[0] for each in answers] == [True] * 7
    start = answers[0][0]
    assert start["status"] == 401
    assert dict(start["headers"])[b"www-authenticate"] == (
        b'Bearer realm="trusted-access", error="invalid_token"'
    )
    assert app.seen == []


def test_the_other_refusals(portal, verifier, clock, app, guarded):
    token = portal.token()
    assert ask(guarded, scope()).headers[b"www-authenticate"] == b'Bearer realm="trusted-access"'
    missing = ask(AccessMiddleware(app, verifier, "model:tune"), scope(token))
    assert missing.status == 403
    assert json.loads(missing.body)["error"] == "insufficient_scope"
    query = scope(token, query_string=b"access_token=" + token.encode())
    assert ask(guarded, query).status == 400
    cookie = scope(token, headers=[(b"cookie", b"a=b"), (b"cookie", b"c=" + token.encode())])
    assert ask(guarded, cookie).status == 400
    assert ask(guarded, scope(token, path=f"/v1/{token}")).status == 400
    clock.advance(15.1)
    unknown = ask(guarded, scope(token))
    assert (unknown.status, unknown.headers[b"retry-after"]) == (503, b"2")
    assert app.seen == []


def test_the_scope_can_depend_on_the_request(portal, verifier, app):
    guarded = AccessMiddleware(app, verifier, lambda asked: asked["path"].strip("/"))
    assert ask(guarded, scope(portal.token()) | {"path": "/model:infer"}).status == 200
    assert ask(guarded, scope(portal.token()) | {"path": "/model:tune"}).status == 403
    with pytest.raises(ValueError, match="scope"):
        ask(guarded, scope(portal.token()))


def test_start_and_end_of_the_server_reach_the_application(app, guarded):
    app.app = lambda asked, receive, send: receive()
    ask(guarded, {"type": "lifespan"}, {"type": "lifespan.startup"})
    assert app.seen == [{"type": "lifespan"}]


def test_what_is_not_known_is_not_let_in(app, guarded):
    with pytest.raises(ValueError, match="carrier pigeon"):
        ask(guarded, {"type": "carrier pigeon"})
    assert app.seen == []


def test_what_the_application_raises_reaches_the_server(portal, verifier):
    async def failing(asked, receive, send):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        ask(AccessMiddleware(failing, verifier, INFER), scope(portal.token()))
    assert verifier._watches == set()


def test_a_server_is_not_let_send_files_by_itself(portal, app, guarded):
    extensions = {"http.response.pathsend": {}, "http.response.zerocopysend": {}, "tls": {"a": 1}}
    ask(guarded, scope(portal.token(), extensions=extensions))
    assert app.seen[0]["extensions"] == {"tls": {"a": 1}}


def test_recheck_is_a_number_of_seconds(verifier, app):
    with pytest.raises(ValueError, match="recheck"):
        AccessMiddleware(app, verifier, INFER, recheck=0)
