"""Whom it asks, and what may be set."""

import ssl

import pytest
from asking import problem
from portal_double import (
    AUDIENCE,
    GATEWAY,
    SECRET,
)

from access_verifier import Settings, Verifier


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
        {"leeway": 5.1},
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
