"""The portal down, silent, slow, or talking nonsense: never a yes, and well again by itself."""

import contextlib
import socket
import time

import pytest
from asking import INFER, code, problem, until
from portal_double import (
    JWKS,
    SECRET,
    SNAPSHOT,
    dripping,
    dripping_body,
    endless,
    hanging_up,
    saying,
    silent,
)

from access_verifier import Code


@contextlib.contextmanager
def within(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


NONSENSE = {
    "nothing": saying(""),
    "text": saying("Bad gateway"),
    "JSON": saying('{"freezes": [], "epochs": {}}'),
    "HTML": saying("<html>", kind="text/html"),
    "not ASCII": saying("é.é.é".encode()),
    "zeros": saying(b"\0" * 100),
    "compressed": saying("a.b.c", Content_Encoding="gzip"),
    "too long": saying("a" * (8 * 1024 * 1024 + 1)),
    "too long, without saying so": endless,
    "no": saying("{}", status=401),
    "limited": saying("{}", status=429),
    "broken": saying("{}", status=500),
    "away": saying("{}", status=503, Retry_After="1"),
    "nothing new": saying("", status=204),
    "not changed": saying("", status=304),
    "hung up": hanging_up,
}


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize("path", [SNAPSHOT, JWKS])
def test_nonsense_is_no_answer(portal, make_verifier, name, path):
    verifier = make_verifier()
    portal.faults[path] = NONSENSE[name]
    assert not verifier.poll_once()
    assert problem(verifier)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


@pytest.mark.parametrize("name", NONSENSE)
def test_and_what_was_heard_before_holds_for_its_fifteen_seconds(portal, verifier, clock, name):
    token = portal.token()
    portal.faults[SNAPSHOT] = NONSENSE[name]
    clock.advance(14)
    assert not verifier.poll_once()
    assert code(verifier, token) == Code.ALLOWED
    clock.advance(1.1)
    assert not verifier.poll_once()
    assert code(verifier, token) == Code.SNAPSHOT_STALE
    del portal.faults[SNAPSHOT]
    assert verifier.poll_once()
    assert code(verifier, token) == Code.ALLOWED
    assert problem(verifier) is None


@pytest.mark.parametrize("fault", [silent, dripping, dripping_body])
def test_a_portal_that_never_finishes_is_given_up_in_time(portal, make_verifier, fault):
    verifier = make_verifier(timeout=0.3)
    portal.faults[SNAPSHOT] = fault
    with within(5):  # a busy machine is slow; without the bound it would be for ever
        assert not verifier.poll_once()
    assert "Timeout" in problem(verifier)
    del portal.faults[SNAPSHOT]
    until(verifier.poll_once)


def test_a_portal_that_accepts_nothing_is_given_up_in_time(make_verifier):
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listening:
        verifier = make_verifier(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=0.3)
        with within(5):
            assert not verifier.poll_once()
        assert "imeout" in problem(verifier)


def test_a_portal_that_is_down_is_asked_again(portal, make_verifier):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    verifier = make_verifier(url)
    assert not verifier.poll_once()
    assert "ConnectionRefusedError" in problem(verifier)


def test_a_redirect_is_not_followed(portal, make_verifier):
    verifier = make_verifier()
    portal.faults[SNAPSHOT] = saying("", status=302, Location=f"{portal.url}/elsewhere")
    assert not verifier.poll_once()
    assert problem(verifier) == "status 302"
    assert "/elsewhere" not in portal.paths()


def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(portal, verifier, clock):
    closed = []

    def closing(handler):
        """Says nothing of it, and closes after this answer."""
        closed.append(True)
        handler.answer(portal.snapshot(handler.path.partition("nonce=")[2]))
        handler.close_connection = True

    portal.faults[SNAPSHOT] = closing
    for _ in range(3):
        clock.advance(1)
        assert verifier.poll_once()
    assert len(closed) == 3


def test_connections_are_kept(portal, verifier, clock):
    connections = set()

    def noting(handler):
        connections.add(handler.client_address)
        handler.answer(portal.snapshot(handler.path.partition("nonce=")[2]))

    portal.faults[SNAPSHOT] = noting
    for _ in range(5):
        clock.advance(1)
        assert verifier.poll_once()
    assert len(connections) == 1


def test_chunked_answers_are_read(portal, make_verifier):
    def chunked(handler):
        body = portal.snapshot(handler.path.partition("nonce=")[2]).encode()
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in (body[:100], body[100:]):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        handler.wfile.write(b"0\r\n\r\n")

    portal.faults[SNAPSHOT] = chunked
    verifier = make_verifier()
    assert verifier.poll_once()
    assert verifier.poll_once()


def test_an_answer_cut_short_is_none(portal, make_verifier):
    def cut(handler):
        body = portal.snapshot(handler.path.partition("nonce=")[2])
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) + 1))
        handler.end_headers()
        handler.wfile.write(body.encode())
        handler.close_connection = True

    portal.faults[SNAPSHOT] = cut
    verifier = make_verifier()
    assert not verifier.poll_once()
    assert problem(verifier) == "cut short"


def test_a_failure_of_our_own_stops_no_polling(portal, verifier, clock, monkeypatch, caplog):
    portal.faults[SNAPSHOT] = saying("a.b.c")
    monkeypatch.setattr("access_verifier.jose.open_signed", None)
    clock.advance(1)
    assert not verifier.poll_once()
    assert problem(verifier) == "failed here: TypeError"
    assert "snapshot: failed here" in caplog.text


def test_trouble_is_logged_once_and_so_is_its_end(portal, verifier, caplog):
    caplog.set_level("INFO", logger="access_verifier")
    portal.faults[SNAPSHOT] = saying("{}", status=500)
    for _ in range(3):
        verifier.poll_once()
    del portal.faults[SNAPSHOT]
    verifier.poll_once()
    assert [record.getMessage() for record in caplog.records] == [
        "snapshot: status 500",
        "snapshot: well again",
    ]


def test_nothing_secret_is_logged_or_shown(portal, make_verifier, caplog):
    caplog.set_level("DEBUG")
    verifier = make_verifier()
    token = portal.token()
    for fault in NONSENSE.values():
        portal.faults[SNAPSHOT] = fault
        verifier.poll_once()
        verifier.verify(token, INFER)
        shown = f"{caplog.text} {verifier.health()} {verifier!r} {vars(verifier)}"
        for secret in (SECRET, "the+gateway", token.rpartition(".")[2]):
            assert secret not in shown
