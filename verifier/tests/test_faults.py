"""The portal down, silent, slow, or talking nonsense: never a yes, and well again by itself."""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from portal_double import (
    AUDIENCE,
    GATEWAY,
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

from access_verifier import Code, Settings, Verifier

INFER = "model:infer"
PATIENCE = 20


def code(verifier, token):
    return verifier.verify(token, INFER).code


def problem(verifier, what="snapshot"):
    return verifier.health()["problems"].get(what)


def until(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "not in time"
        threading.Event().wait(0.005)


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


# --- Addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "portal.example",
        "ftp://portal.example",
        "https://",
        "https://user:secret@portal.example",
        "https://portal.example?a=b",
        "https://portal.example#a",
        "http://portal.example",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
    ],
)
def test_an_address_that_is_none_or_can_be_listened_to_is_refused(url):
    with pytest.raises(ValueError, match="address"):
        Verifier(url, AUDIENCE, GATEWAY, SECRET)


@pytest.mark.parametrize(
    "url", ["https://portal.example/", "http://127.0.0.1:8000", "http://localhost", "http://[::1]"]
)
def test_https_or_this_machine_is_fine(url):
    assert Verifier(url, AUDIENCE, GATEWAY, SECRET).issuer == url.rstrip("/")


def test_plain_http_elsewhere_is_a_choice():
    settings = Settings(plain_http=True)
    assert Verifier("http://10.0.0.1", AUDIENCE, GATEWAY, SECRET, settings=settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"oldest": 0},
        {"oldest": 15.1},
        {"oldest": float("nan")},
        {"leeway": -1},
        {"leeway": 301},
        {"every": 0},
        {"timeout": 0},
    ],
)
def test_settings_that_would_open_a_door_are_refused(wrong):
    with pytest.raises(ValueError, match=r"seconds|longest life"):
        Settings(**wrong)


def test_a_portal_at_a_path_is_asked_there(portal, make_verifier):
    verifier = make_verifier(f"{portal.url}/portal/")
    assert not verifier.poll_once()
    assert portal.paths() == ["/portal/gateway/snapshot", "/portal/.well-known/jwks.json"]


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path, portal):
    """The portal's answers would be right; who gives them is not known."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(self_signed())
    context.load_cert_chain(certificate)
    portal._server.socket = context.wrap_socket(portal._server.socket, server_side=True)
    url = portal.url.replace("http:", "https:")
    verifier = Verifier(url, AUDIENCE, GATEWAY, SECRET, clock=portal.clock)
    assert not verifier.poll_once()
    assert "CERTIFICATE_VERIFY_FAILED" in problem(verifier)
    trusting = ssl.create_default_context(cafile=str(certificate))
    settings = Settings(tls=trusting)
    verifier = Verifier(
        url, AUDIENCE, GATEWAY, SECRET, issuer=portal.url, settings=settings, clock=portal.clock
    )
    assert verifier.poll_once()
    verifier.stop()


def self_signed():
    import datetime as dt  # noqa: PLC0415
    from ipaddress import ip_address  # noqa: PLC0415

    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "portal")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return certificate.public_bytes(pem) + key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


# --- The thread ---------------------------------------------------------------------------------


@pytest.fixture
def running(portal):
    """A verifier that polls by itself, by the real clock, often."""
    from access_verifier.clock import elapsed  # noqa: PLC0415

    began = elapsed()
    portal.clock.__class__ = type("Real", (), {"passed": property(lambda _: elapsed() - began)})
    settings = Settings(every=0.02, timeout=5)
    verifier = Verifier(portal.url, AUDIENCE, GATEWAY, SECRET, settings=settings)
    yield verifier
    verifier.stop()


def test_started_it_keeps_itself_fresh_and_stopped_it_does_not(portal, running):
    running.start()
    running.start()  # twice is once
    until(lambda: running.health()["snapshot_version"] == 5)
    assert code(running, portal.token()) == Code.ALLOWED
    portal.freezes = [{"level": "everything", "ref": ""}]
    until(lambda: code(running, portal.token()) == Code.FROZEN)
    assert [t.name for t in threading.enumerate()].count("access-verifier") == 1
    running.stop()
    running.stop()
    assert [t.name for t in threading.enumerate()].count("access-verifier") == 0
    running.start()
    portal.freezes = []
    until(lambda: code(running, portal.token()) == Code.ALLOWED)


def test_a_list_that_is_wanted_is_not_waited_for_a_second(portal, make_verifier, clock):
    verifier = make_verifier(every=3600)
    portal.statuses["/s/1"] = [0]
    verifier.start()
    until(lambda: verifier.health()["ready"])
    token = portal.token(status={"status_list": {"idx": 0, "uri": portal.url + "/s/1"}})
    until(lambda: code(verifier, token) == Code.ALLOWED)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_processes_that_were_forked_poll_by_themselves(portal):
    """As servers do that load the application first and then fork their workers."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-W", "ignore", here / "forking.py", portal.url, portal.token(), "20"],
        env=os.environ | {"PYTHONPATH": str(here.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["yes"] * 20, "")


def test_many_threads_ask_while_it_polls(portal, running):
    """No error, no yes for a frozen key once one of them was refused it."""
    running.start()
    until(lambda: running.health()["ready"])
    portal.published = [portal.signer]
    token, wrong = portal.token(), []
    frozen_at = threading.Event()

    def ask():
        for number in range(300):
            asked_after = frozen_at.is_set()
            found = code(running, token if number % 2 else portal.token(jti=f"j{number}"))
            if found not in {Code.ALLOWED, Code.FROZEN}:
                wrong.append(found)
            if asked_after and found is Code.ALLOWED:
                wrong.append("a yes after the no")
            if found is Code.FROZEN:
                frozen_at.set()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    portal.freezes = [{"level": "everything", "ref": ""}]
    for thread in threads:
        thread.join()
    assert wrong == []
