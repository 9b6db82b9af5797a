"""In front of a WSGI application."""

import itertools
import json
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from asking import INFER
from portal_double import NOON

from access_verifier import Code
from access_verifier.gate import AccessEnded
from access_verifier.wsgi import AccessMiddleware


class App:
    """Says who called it, in `chunks`; notes what it was given and that it was closed."""

    def __init__(self, chunks=None):
        self.chunks = chunks
        self.seen = []

    def __call__(self, environ, start_response):
        self.seen.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"] if self.chunks is None else self.chunks


def ask(middleware, token=None, **environ):
    setup_testing_defaults(environ)
    environ.setdefault("QUERY_STRING", "")
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    said = []

    def start_response(status, headers, exc_info=None):
        said[:] = [int(status.split()[0]), dict(headers)]
        return said.append

    return (said, middleware(environ, start_response))


def answer(middleware, token=None, **environ):
    said, body = ask(middleware, token, **environ)
    status, headers = said
    return status, headers, b"".join(body)


@pytest.fixture
def app():
    return App()


@pytest.fixture
def guarded(app, verifier):
    return AccessMiddleware(app, verifier, INFER)


def test_a_good_token_reaches_the_application_with_who_it_is(portal, app, guarded):
    status, _, body = answer(guarded, portal.token())
    assert (status, body) == (200, b"hello")
    (environ,) = app.seen
    assert environ["access.identity"].key == "key1"
    assert {name: environ[name] for name in environ if name.startswith("HTTP_X_ACCESS")} == {
        "HTTP_X_ACCESS_SUBJECT": "usr_1",
        "HTTP_X_ACCESS_ORGANIZATION": "org_1",
        "HTTP_X_ACCESS_KEY_ID": "key1",
        "HTTP_X_ACCESS_GRANT": "grt_1",
        "HTTP_X_ACCESS_PHASE": "pha_1",
        "HTTP_X_ACCESS_RELEASE": "rel_1",
        "HTTP_X_ACCESS_SCOPE": "model:embed model:infer",
    }


def test_what_the_client_says_of_itself_is_dropped_and_so_is_the_token(portal, app, guarded):
    spoofed = {
        "HTTP_X_ACCESS_SUBJECT": "usr_2",
        "HTTP_X_ACCESS_ADMIN": "yes",
        "HTTP_X_ACCESSORY": "kept",
    }
    answer(guarded, portal.token(), **spoofed)
    (environ,) = app.seen
    assert environ["HTTP_X_ACCESS_SUBJECT"] == "usr_1"
    assert "HTTP_X_ACCESS_ADMIN" not in environ
    assert environ["HTTP_X_ACCESSORY"] == "kept"
    assert portal.token() not in str(environ)


def test_without_a_token_it_says_what_to_send(app, guarded, portal):
    status, headers, body = answer(guarded)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="trusted-access"')
    assert headers["Cache-Control"] == "no-store"
    assert json.loads(body) == {
        "error": "invalid_token",
        "error_description": "Send an access token as: Authorization: Bearer ... "
        f"Get another at {portal.url}/oauth/token with your key; "
        f"{portal.url}/access/ says whether the key works.",
    }
    assert app.seen == []


def test_whatever_is_wrong_with_a_token_the_answer_is_the_same(
    portal, verifier, clock, guarded, app
):
    token = portal.token()
    wrong = [
        "junk",
        token[:-1],
        portal.token(aud="another"),
        portal.token(typ="JWT"),
        portal.token(exp=NOON - 50),
        "a" * 65536,
    ]
    answers = [answer(guarded, each) for each in wrong]
    answers += [answer(guarded, HTTP_AUTHORIZATION=f"Bearer {token},Bearer {token}")]
    answers += [answer(guarded, HTTP_AUTHORIZATION=f"Bearer {token}, Bearer {token}")]
    answers += [answer(guarded, HTTP_AUTHORIZATION=f"Basic {token}")]
    answers += [
        answer(guarded, HTTP_AUTHORIZATION=each) for each in ("", "Bearer", "Bearer ", token)
    ]
    portal.freezes = [{"level": "person", "ref": "usr_1"}]
    clock.advance(1)
    verifier.poll_once()
    answers += [answer(guarded, token)]
    assert [each == answers[0] for each in answers] == [True] * 14
    status, headers, _ = answers[0]
    challenge = 'Bearer realm="trusted-access", error="invalid_token"'
    assert (status, headers["WWW-Authenticate"]) == (401, challenge)
    assert app.seen == []


def test_a_scope_that_is_not_held(portal, verifier, app):
    guarded = AccessMiddleware(app, verifier, "model:tune model:infer")
    status, headers, body = answer(guarded, portal.token())
    assert status == 403
    assert headers["WWW-Authenticate"] == (
        'Bearer realm="trusted-access", error="insufficient_scope", scope="model:tune model:infer"'
    )
    assert json.loads(body)["error"] == "insufficient_scope"
    assert app.seen == []


def test_when_it_cannot_know_it_says_so(portal, clock, app, guarded):
    token = portal.token()
    clock.advance(15.1)
    status, headers, body = answer(guarded, token)
    assert (status, headers["Retry-After"]) == (503, "2")
    assert json.loads(body)["error"] == "temporarily_unavailable"
    assert app.seen == []


@pytest.mark.parametrize(
    "place",
    [
        {"QUERY_STRING": "access_token={token}"},
        {"QUERY_STRING": "a=b&access_token=other"},
        {"QUERY_STRING": "access%5Ftoken=other"},
        {"QUERY_STRING": "key={token}"},
        {"HTTP_COOKIE": "session={token}"},
        {"PATH_INFO": "/v1/{token}/responses"},
    ],
)
def test_a_token_in_the_open_is_refused_even_beside_a_good_header(portal, app, guarded, place):
    token = portal.token()
    environ = {name: value.format(token=token) for name, value in place.items()}
    status, headers, _ = answer(guarded, token, **environ)
    challenge = 'Bearer realm="trusted-access", error="invalid_request"'
    assert (status, headers["WWW-Authenticate"]) == (400, challenge)
    assert app.seen == []


def test_a_word_of_an_address_is_no_token(portal, guarded):
    there, elsewhere = (answer(guarded, "v1", PATH_INFO=path) for path in ("/v1", "/"))
    assert there == elsewhere
    assert there[0] == 401


def test_a_token_in_a_cookie_alone_is_no_token(portal, app, guarded):
    assert answer(guarded, HTTP_COOKIE=f"token={portal.token()}")[0] == 401
    assert app.seen == []


def test_the_scope_can_depend_on_the_request(portal, verifier, app):
    guarded = AccessMiddleware(app, verifier, lambda environ: environ["PATH_INFO"].strip("/"))
    assert answer(guarded, portal.token(), PATH_INFO="/model:infer")[0] == 200
    assert answer(guarded, portal.token(), PATH_INFO="/model:tune")[0] == 403


@pytest.mark.parametrize("scope", ["", " ", "a  b", 'a"b', "a\nb", None])
def test_a_forgotten_scope_opens_no_door(portal, verifier, app, scope):
    if isinstance(scope, str):
        with pytest.raises(ValueError, match="scope"):
            AccessMiddleware(app, verifier, scope)
    with pytest.raises(ValueError, match="scope"):
        ask(AccessMiddleware(app, verifier, lambda _: scope), portal.token())
    assert app.seen == []


def test_a_head_request_gets_no_body(guarded):
    status, _, body = answer(guarded, REQUEST_METHOD="HEAD")
    assert (status, body) == (401, b"")


def test_it_keeps_to_the_rules_of_wsgi(portal, verifier):
    def chunks():
        yield b"a"
        yield b"b"

    for app in (App(), App(chunks())):
        guarded = validator(AccessMiddleware(validator(app), verifier, INFER))
        for token in (portal.token(), "junk"):
            said, body = ask(guarded, token)
            read = list(body)
            body.close()
            assert (said[0], bool(read)) in {(200, True), (401, True)}


# --- Streams ------------------------------------------------------------------------------------


class Chunks:
    """An answer without end; `meanwhile` happens before each chunk after the first."""

    def __init__(self, meanwhile):
        self.meanwhile = meanwhile
        self.given = 0
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.given:
            self.meanwhile()
        self.given += 1
        return b"%d" % self.given

    def close(self):
        self.closed += 1


def cut(portal, verifier, meanwhile, **claims):
    """Read a stream until it is cut; returns (chunks that came, why it was)."""
    chunks = Chunks(meanwhile)
    _, body = ask(AccessMiddleware(App(chunks), verifier, INFER), portal.token(**claims))
    came = []
    with pytest.raises(AccessEnded) as ended:
        came.extend(itertools.islice(body, 1000))
    body.close()
    assert chunks.closed == 1
    assert verifier._watches == set()
    return came, ended.value.code


def test_a_stream_is_cut_once_its_caller_is_frozen(portal, verifier, clock):
    portal_says = iter([[], [], [{"level": "organization", "ref": "org_1"}]])

    def meanwhile():
        portal.freezes = next(portal_says, portal.freezes)
        clock.advance(1)
        verifier.poll_once()

    assert cut(portal, verifier, meanwhile) == ([b"1", b"2", b"3"], Code.FROZEN)


def test_a_stream_is_cut_once_its_key_is_revoked(portal, verifier, clock):
    def meanwhile():
        clock.advance(1)
        portal.epochs = {"key:key1": portal.now}
        verifier.poll_once()

    assert cut(portal, verifier, meanwhile) == ([b"1"], Code.REVOKED)


def test_a_stream_is_cut_once_the_portal_is_silent(portal, verifier, clock):
    came, why = cut(portal, verifier, lambda: clock.advance(1))
    assert (len(came), why) == (15, Code.SNAPSHOT_STALE)


def test_a_stream_outlives_its_token(portal, verifier, clock):
    def meanwhile():
        clock.advance(10)
        if clock.passed > 3600:
            portal.freezes = [{"level": "everything", "ref": ""}]
        verifier.poll_once()

    came, why = cut(portal, verifier, meanwhile, exp=NOON + 60)
    assert (len(came), why) == (361, Code.FROZEN)


def test_a_revocation_during_a_long_silence_is_not_missed(portal, verifier, clock):
    """The portal forgets an epoch when the tokens it is about have expired; the stream does not."""

    def meanwhile():
        clock.advance(1)
        portal.epochs = {"key:key1": portal.now}
        verifier.poll_once()
        portal.epochs = {}
        for _ in range(300):
            clock.advance(1)
            verifier.poll_once()

    assert cut(portal, verifier, meanwhile) == ([b"1"], Code.REVOKED)


def test_nor_one_that_fell_into_a_silence_of_the_portal(portal, verifier, clock):
    """Nobody knows what was said while nothing was heard, so nothing goes on over it."""

    def meanwhile():
        clock.advance(300)
        verifier.poll_once()

    assert cut(portal, verifier, meanwhile) == ([b"1"], Code.SNAPSHOT_STALE)


def test_a_complete_answer_is_passed_on_as_it_is(portal, verifier, guarded, app):
    app.chunks = [b"whole"]
    _, body = ask(guarded, portal.token())
    assert body is app.chunks
    assert verifier._watches == set()


@pytest.mark.parametrize(
    ("meanwhile", "status"), [("frozen", 401), ("silent", 503), ("nothing", 200)]
)
def test_a_complete_answer_that_was_long_in_coming_is_refused(
    portal, verifier, clock, meanwhile, status
):
    def app(environ, start_response):
        portal.freezes = [{"level": "everything", "ref": ""}] if meanwhile == "frozen" else []
        for _ in range(20):
            clock.advance(1)
            assert meanwhile == "silent" or verifier.poll_once()
        start_response("200 OK", [("Content-Length", "5")])
        return [b"whole"]

    said, headers, body = answer(AccessMiddleware(app, verifier, INFER), portal.token())
    assert (said, body == b"whole") == (status, status == 200)
    assert headers["Content-Length"] == str(len(body))
    assert verifier._watches == set()


def test_an_application_that_fails_is_no_longer_watched(portal, verifier):
    def failing(environ, start_response):
        raise LookupError

    with pytest.raises(LookupError):
        ask(AccessMiddleware(failing, verifier, INFER), portal.token())
    assert verifier._watches == set()


def test_the_old_way_of_writing_is_cut_as_well(portal, verifier, clock):
    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"first")
        portal.freezes = [{"level": "everything", "ref": ""}]
        clock.advance(1)
        verifier.poll_once()
        write(b"second")
        return []

    said = []
    environ = {"HTTP_AUTHORIZATION": f"Bearer {portal.token()}"}
    setup_testing_defaults(environ)
    with pytest.raises(AccessEnded):
        AccessMiddleware(app, verifier, INFER)(environ, lambda *_: said.append)
    assert said == [b"first"]
