"""The sandbox model by itself; the portal it asks is a small real server here."""

import io
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.gateway import sandbox
from portal.gateway.metering import Allowance, Meter
from portal.gateway.sandbox import Checked, Portal, Sandbox
from portal.gateway.tally import Tally, Used

PLENTY = Allowance("GRT-PLENTY", 1_000_000, 1_000_000_000)
YES = Checked(200, allowance=PLENTY)
IDENTITY = {
    "X-Access-Grant": "GRT-ONE",
    "X-Access-Requests-Per-Minute": "60",
    "X-Access-Tokens-Per-Day": "1000",
}
GOOD = json.dumps({"model": "aurora", "input": "Hello there, model"}).encode()


def allowed(scope):
    return YES


def respond(body, check, meter=Meter(None)):  # noqa: B008 - one for all: there is plenty
    return sandbox.respond(body, check, meter)


# --- What the model does ----------------------------------------------------------------------


def test_the_answer_has_the_shape_clients_know():
    reply = respond(GOOD, allowed)
    body = reply.body
    assert reply.status == 200
    assert set(body) == {"id", "object", "created_at", "status", "model", "output", "usage"}
    assert (body["object"], body["status"], body["model"]) == ("response", "completed", "aurora")
    (message,) = body["output"]
    assert (message["type"], message["role"]) == ("message", "assistant")
    (content,) = message["content"]
    assert content == {
        "type": "output_text",
        "text": "This is the sandbox model answering as aurora. Your key works. "
        "I read 3 words and, being harmless, did nothing more.",
        "annotations": [],
    }
    assert body["usage"] == {"input_tokens": 3, "output_tokens": 21, "total_tokens": 24}


def test_the_same_question_gets_the_same_answer():
    first, second = respond(GOOD, allowed).body, respond(GOOD, allowed).body
    assert first | {"created_at": 0} == second | {"created_at": 0}
    other = respond(GOOD.replace(b"Hello", b"Goodbye"), allowed).body
    assert other["id"] != first["id"]


def asked_scope(body):
    asked = []
    respond(json.dumps(body).encode(), lambda scope: asked.append(scope) or YES)
    return asked


def test_the_capability_decides_which_scope_is_needed():
    assert asked_scope({"model": "a", "input": "b"}) == ["model:infer"]
    assert asked_scope({"model": "a", "input": "b", "capability": "cyber:scan"}) == ["cyber:scan"]


BAD_BODIES = [
    b"",
    b"{",
    b"[]",
    b'"text"',
    b"\xff",
    b"[" * 100_000,
    b'{"model": "a"}',
    b'{"input": "a"}',
    b'{"model": "", "input": "a"}',
    b'{"model": 1, "input": "a"}',
    b'{"model": "a", "input": ["b"]}',
    b'{"model": "a", "input": "b", "capability": "everything"}',
    b'{"model": "a", "input": "b", "capability": 1}',
    b'{"model": "a", "input": "b", "capability": "model:infer&scope=x:y"}',
]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_a_bad_body_is_explained_to_those_with_access_only(body):
    reply = respond(body, allowed)
    assert (reply.status, reply.body["error"]["code"]) == (400, "invalid_request")
    assert respond(body, lambda scope: Checked(401, "Bearer")).status == 401


@given(st.binary(max_size=200))
def test_any_body_gets_an_answer(body):
    assert respond(body, allowed).status in {200, 400}
    assert respond(body, lambda scope: Checked(503)).status == 503


@pytest.mark.parametrize(
    ("checked", "status", "code"),
    [
        (Checked(401, "Bearer"), 401, "invalid_api_key"),
        (Checked(403, "Bearer"), 403, "insufficient_scope"),
        (Checked(401, 'Basic realm="gateway"'), 503, "check_unavailable"),
        (Checked(400), 503, "check_unavailable"),
        (Checked(500), 503, "check_unavailable"),
        (Checked(503), 503, "check_unavailable"),
        (Checked(204), 503, "check_unavailable"),
        (Checked(302), 503, "check_unavailable"),
        (Checked(200), 503, "check_unavailable"),  # a yes that does not say how much
    ],
)
def test_all_but_200_is_no(checked, status, code):
    reply = respond(GOOD, lambda scope: checked)
    assert (reply.status, reply.body["error"]["code"]) == (status, code)
    assert "output" not in reply.body
    assert reply.used is None  # nobody else's limit is used up by those who have no access


def limited(requests, tokens):
    return lambda scope: Checked(200, allowance=Allowance("GRT-FEW", requests, tokens))


def test_what_an_answer_is_counted_as():
    reply = respond(GOOD, allowed)
    assert reply.used == Used("GRT-PLENTY", reply.used.day, requests=1, tokens=24)
    reply = respond(BAD_BODIES[0], allowed)
    assert reply.used == Used("GRT-PLENTY", reply.used.day, requests=1)
    assert reply.headers["RateLimit"].startswith('"requests";r=')


def test_requests_used_up():
    meter = Meter(None)
    assert respond(GOOD, limited(1, 1000), meter).status == 200
    reply = respond(GOOD, limited(1, 1000), meter)
    wait = int(reply.headers["Retry-After"])
    assert 1 <= wait <= 60
    assert (reply.status, reply.body["error"]) == (
        429,
        {
            "type": "requests",
            "code": "rate_limit_exceeded",
            "message": "Your grant allows 1 requests a minute for all its keys together, and they "
            f"are used up. Try again in {wait} second{'' if wait == 1 else 's'}.",
        },
    )
    assert reply.used == Used("GRT-FEW", reply.used.day, refused=1)
    assert reply.headers["RateLimit"].startswith(f'"requests";r=0;t={wait}, "tokens";r=976;t=')


def test_tokens_used_up():
    meter = Meter(None)
    first = respond(GOOD, limited(60, 20), meter)  # it takes 24, and is the last
    assert (first.status, '"tokens";r=0;' in first.headers["RateLimit"]) == (200, True)
    reply = respond(GOOD, limited(60, 20), meter)
    assert (reply.status, reply.body["error"]["type"]) == (429, "tokens")
    assert "20 tokens a day (from 00:00 UTC)" in reply.body["error"]["message"]
    assert reply.headers["RateLimit"].startswith('"requests";r=59;')  # it used up no request


def test_a_limit_is_not_told_of_a_bad_body_first():
    """Refused before the body is looked at: a caller above its limit costs little."""
    reply = respond(b"{", limited(0, 1000), Meter(None))
    assert reply.status == 429


# --- As a process of its own -------------------------------------------------------------------


KNOWN = "Basic R1ctQUFBQUFBQUE6dHBnX3NlY3JldA=="


class FakePortal(BaseHTTPRequestHandler):
    """Answers with what the test says and remembers what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.asked.append((self.path, dict(self.headers), self.client_address))
        if server.hang.is_set():
            server.let_go.wait(30)
            return
        self.send_response(server.status)
        for name, value in server.identity.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        if server.close:
            self.send_header("Connection", "close")
        self.end_headers()
        if server.close == "unannounced":
            self.close_connection = True

    def do_POST(self):
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.reported.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(200)
        self.send_header("Content-Length", "19")
        self.end_headers()
        self.wfile.write(b'{"not_counted": []}')

    def log_message(self, *args):
        pass


@pytest.fixture
def portal():
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakePortal)
    server.asked, server.status, server.close, server.reported = [], 200, "", []
    server.identity = IDENTITY
    server.hang, server.let_go = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.let_go.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def app(portal):
    made = Portal(f"http://127.0.0.1:{portal.server_port}/", "GW-AAAAAAAA", "tpg_secret")
    yield Sandbox(made, Meter(None), Tally(made.report, every=3600))
    made._forget()


def call(app, body=GOOD, **environ):
    told = {}

    def start(status, headers):
        told["status"], told["headers"] = int(status.split()[0]), dict(headers)

    request = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/sandbox/v1/responses",
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "HTTP_AUTHORIZATION": "Bearer tpk_live_x",
        **environ,
    }
    answer = json.loads(b"".join(app(request, start)))
    return told["status"], answer, told["headers"]


def test_it_asks_as_any_gateway_would(app, portal):
    status, body, headers = call(
        app, HTTP_COOKIE="a=b", HTTP_X_REQUIRED_SCOPE="x:y", QUERY_STRING="q=1"
    )
    assert (status, body["object"]) == (200, "response")
    assert headers["Cache-Control"] == "no-store"
    ((path, sent, _),) = portal.asked
    assert path == "/gateway/authorize?scope=model%3Ainfer"
    assert {k: v for k, v in sent.items() if k not in {"Host", "Accept-Encoding"}} == {
        "X-Gateway-Authorization": KNOWN,
        "Authorization": "Bearer tpk_live_x",
        "X-Original-URI": "/sandbox/v1/responses?q=1",
    }


def test_it_holds_to_the_limits_it_is_told_and_a_changed_one_counts_at_once(app, portal):
    portal.identity = IDENTITY | {"X-Access-Requests-Per-Minute": "1"}
    assert [call(app)[0] for _ in range(2)] == [200, 429]
    portal.identity = IDENTITY | {"X-Access-Requests-Per-Minute": "2"}
    assert [call(app)[0] for _ in range(2)] == [200, 429]


ODD = [
    *(("X-Access-Grant", value) for value in (None, "", "GRT ONE", "GRT/ONE", "G" * 33)),
    *(
        (name, value)
        for name in ("X-Access-Requests-Per-Minute", "X-Access-Tokens-Per-Day")
        for value in (None, "", "-1", "many", "²", "1" * 20, "1, 2")
    ),
]


@pytest.mark.parametrize(("name", "value"), ODD)
def test_a_yes_that_does_not_say_what_may_be_used_is_no(app, portal, name, value):
    told = IDENTITY | {name: value}
    portal.identity = {each: said for each, said in told.items() if said is not None}
    assert call(app)[0] == 503


def test_what_was_used_is_reported_with_its_own_credentials(app, portal):
    assert [call(app)[0], call(app, b"{")[0]] == [200, 400]
    assert app._tally.flush()
    ((path, sent, report),) = portal.reported
    assert (path, sent["Authorization"]) == ("/gateway/usage", KNOWN)
    assert sent["Content-Type"] == "application/json"
    (entry,) = report["entries"]
    assert entry | {"day": ""} == {
        "grant": "GRT-ONE",
        "day": "",
        "requests": 2,
        "tokens": 24,
        "refused": 0,
    }


def test_without_a_key_none_is_made_up(app, portal):
    portal.status = 401
    status, body, _ = call(app, HTTP_AUTHORIZATION=None)
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert "Authorization" not in portal.asked[0][1]


def test_the_connection_is_kept(app, portal):
    assert [call(app)[0] for _ in range(3)] == [200, 200, 200]
    assert len({address for _, _, address in portal.asked}) == 1


@pytest.mark.parametrize("how", ["announced", "unannounced"])
def test_a_connection_closed_meanwhile_is_replaced(app, portal, how):
    portal.close = how
    assert [call(app)[0] for _ in range(3)] == [200, 200, 200]


def test_each_call_is_asked_anew(app, portal):
    assert call(app)[0] == 200
    portal.status = 401
    assert call(app)[0] == 401


def test_a_portal_that_is_down_is_no():
    with ThreadingHTTPServer(("127.0.0.1", 0), FakePortal) as closed:
        port = closed.server_port
    down = Portal(f"http://127.0.0.1:{port}", "GW-AAAAAAAA", "x")
    app = Sandbox(down, Meter(None), Tally(down.report))
    assert down.report(b"{}") is None
    status, body, headers = call(app)
    assert (status, body["error"]["code"]) == (503, "check_unavailable")
    assert headers["Retry-After"] == "2"


def test_a_portal_that_is_silent_is_no_soon(app, portal, monkeypatch):
    monkeypatch.setattr(sandbox, "TIMEOUT", 0.1)
    portal.hang.set()
    assert call(app)[0] == 503
    assert len(portal.asked) == 1  # a slow portal is not asked twice


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"PATH_INFO": "/healthz", "REQUEST_METHOD": "GET"}, 200),
        ({"PATH_INFO": "/"}, 404),
        ({"REQUEST_METHOD": "GET"}, 405),
        ({"CONTENT_LENGTH": "70000"}, 413),
        ({"CONTENT_LENGTH": "-1"}, 413),
        ({"CONTENT_LENGTH": "²"}, 413),
        ({"CONTENT_LENGTH": ""}, 400),
    ],
)
def test_other_requests(app, portal, environ, status):
    assert call(app, **environ)[0] == status


def test_it_runs_without_settings_or_database(portal):
    code = "import portal.gateway.sandbox as s, sys; s._from_environment(); print(*sys.modules)"
    env = {
        "PORTAL_URL": "http://127.0.0.1:1",
        "SANDBOX_GATEWAY_ID": "GW-AAAAAAAA",
        "SANDBOX_GATEWAY_SECRET": "x",
        "SANDBOX_LIMITS_URL": "redis://127.0.0.1:1/0",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    assert "portal.gateway.sandbox" in modules
    assert modules & {"portal.settings", "portal.gateway.models", "psycopg"} == set()
