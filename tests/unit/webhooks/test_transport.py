"""One POST against real servers on loopback, good and bad."""

import datetime as dt
import ipaddress
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from portal.webhooks import transport
from portal.webhooks.transport import Answer, post
from tests.factories.webhooks import answering, drip, flood, hang, receiver
from tests.processes import free_port

NO_ANSWER = Answer(None, "No answer within 1 seconds.")


@pytest.fixture(autouse=True)
def _loopback(settings, monkeypatch):
    settings.WEBHOOK_ALLOWED_NETWORKS = (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )
    monkeypatch.setattr(transport, "TOTAL", 1.0)


def certificate(folder, name):
    """A certificate that signs itself, for this name; returns (certificate, key) as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def served_with(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def test_what_is_sent_arrives_as_it_is():
    with receiver() as server:
        answer = post(server.url, b'{"a":1}', {"webhook-id": "MSG-1"})
    ((headers, body),) = server.requests
    assert (answer, answer.is_success, body) == (Answer(204), True, b'{"a":1}')
    told = {name: headers[name] for name in ("", "host", "webhook-id", "content-length")}
    assert told == {
        "": "POST /in?a=1 HTTP/1.1",
        "host": f"localhost:{server.port}",
        "webhook-id": "MSG-1",
        "content-length": "7",
    }


@pytest.mark.parametrize(
    ("status", "success"), [(200, True), (299, True), (301, False), (404, False), (500, False)]
)
def test_only_2xx_is_a_success(status, success):
    with receiver(answering(status)) as server:
        answer = post(server.url, b"{}", {})
    assert (answer.status, answer.is_success) == (status, success)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status):
    with receiver() as elsewhere:
        location = f"Location: {elsewhere.url}\r\n".encode()
        with receiver(answering(status, location)) as server:
            assert post(server.url, b"{}", {}).status == status
        assert elsewhere.calls == 0


@pytest.mark.parametrize("behaviour", [hang, drip])
def test_a_server_that_hangs_or_drips_is_left_in_time(behaviour):
    with receiver(behaviour) as server:
        began = time.monotonic()
        answer = post(server.url, b"{}", {})
        took = time.monotonic() - began
    assert (answer, server.calls, took < 4) == (NO_ANSWER, 1, True)


def test_a_server_that_hangs_in_the_handshake_is_left_in_time():
    with receiver(listens=False) as server:
        answer = post(server.url.replace("http:", "https:"), b"{}", {})
    assert answer == NO_ANSWER


def test_a_body_without_end_is_not_read():
    with receiver(flood) as server:
        began = time.monotonic()
        assert post(server.url, b"{}", {}) == Answer(200)
        assert time.monotonic() - began < 0.9


def test_nobody_there_and_no_http():
    gone = post(f"http://127.0.0.1:{free_port()}/", b"{}", {})
    with receiver(b"SSH-2.0-x\r\n") as server:
        strange = post(server.url, b"{}", {})
    with receiver(b"") as server:
        silent = post(server.url, b"{}", {})
    assert [gone, strange, silent] == [
        Answer(None, "Nobody listens there."),
        Answer(None, "The answer was not HTTP."),
        Answer(None, "The connection was lost."),
    ]


def test_tls_goes_by_the_name_that_was_registered(tmp_path, monkeypatch):
    ours, others = certificate(tmp_path, "localhost"), certificate(tmp_path, "other.example")
    both = tmp_path / "both.pem"
    both.write_bytes(ours[0].read_bytes() + others[0].read_bytes())
    refused = Answer(None, "The certificate is not good for this name.")
    with receiver(context=served_with(ours)) as server:
        assert post(server.url, b"{}", {}) == refused  # known to nobody
        monkeypatch.setenv("SSL_CERT_FILE", str(both))
        assert post(server.url, b"{}", {}) == Answer(204)
        by_number = server.url.replace("localhost", "127.0.0.1")
        assert post(by_number, b"{}", {}) == refused
    with receiver(context=served_with(others)) as server:
        assert post(server.url, b"{}", {}) == refused
        assert server.requests == []
