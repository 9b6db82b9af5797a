"""A small real server that answers gateways as the portal does, and as badly as is wanted."""

import base64
import json
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NOON = 1_800_000_000  # what time it is at the portal when a test begins
AUDIENCE = "aurora-preview"
GATEWAY, SECRET = "gw_1", "the gateway's: own secret"
SNAPSHOT, JWKS = "/gateway/snapshot", "/.well-known/jwks.json"


def segment(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Signer:
    """A key of the portal's."""

    def __init__(self, kid="k1"):
        self.kid = kid
        self.private = Ed25519PrivateKey.generate()

    @property
    def public(self):
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def jwk(self, **more):
        x = segment(self.public)
        own = {"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x, "use": "sig"}
        return {**own, "alg": "EdDSA", **more}

    def sign(self, claims, typ, **header):
        return self.sign_raw({"alg": "EdDSA", "typ": typ, "kid": self.kid, **header}, claims)

    def sign_raw(self, header, claims):
        """`header` and `claims` may be bytes, to be signed as they are."""
        parts = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in (header, claims)]
        text = ".".join(map(segment, parts))
        return f"{text}.{segment(self.private.sign(text.encode()))}"


class Clock:
    """Seconds that pass when a test says so, for the portal and for the gateway."""

    def __init__(self):
        self.passed = 0.0
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return self.passed + 5_000.0  # a machine that has been up for a while

    def advance(self, seconds):
        self.passed += seconds


class PortalDouble:
    """What it says is in its attributes. `faults` maps a path to what answers instead."""

    def __init__(self, clock):
        self.clock = clock
        self.signer = Signer()
        self.published = [self.signer]
        self.version = 0
        self.freezes = []
        self.epochs = {}
        self.statuses = {}  # path to the list of statuses
        self.faults = {}
        self.more = {}  # claims of snapshots, instead of what they would be
        self.asked = []  # (path, headers), in order
        self.last_snapshot = ""
        self.over = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.double = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def now(self):
        return NOON + self.clock.passed

    def close(self):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def paths(self):
        return [urlsplit(path).path for path, _headers in self.asked]

    # --- What it signs --------------------------------------------------------------------------

    def claims(self, **changes):
        """Of an access token. A claim that is None is left out."""
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "usr_1",
            "client_id": "key1",
            "kind": "live",
            "organization": "org_1",
            "grant": "grt_1",
            "phase": "pha_1",
            "release": "rel_1",
            "scope": "model:embed model:infer",
            "jti": "jti_1",
            "iat": int(self.now),
            "exp": int(self.now) + 60,
        } | changes
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, typ="at+jwt", **changes):
        return self.signer.sign(self.claims(**changes), typ)

    def snapshot(self, nonce):
        self.version += 1
        claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "iat": self.now,
            "exp": self.now + 15,
            "version": self.version,
            "nonce": nonce,
            "freezes": self.freezes,
            "epochs": self.epochs,
        } | self.more
        self.last_snapshot = self.signer.sign(claims, "access-snapshot+jwt")
        return self.last_snapshot

    def status_list(self, path, **changes):
        claims = {
            "sub": self.url + path,
            "iat": self.now,
            "exp": self.now + 15,
            "ttl": 1,
            "status_list": packed(self.statuses[path]),
        }
        return self.signer.sign(claims | changes, "statuslist+jwt")


def packed(statuses, bits=1):
    """Statuses from the lowest bit of the first byte on."""
    number = sum(status << (place * bits) for place, status in enumerate(statuses))
    raw = number.to_bytes((len(statuses) * bits + 7) // 8, "little")
    return {"bits": bits, "lst": segment(zlib.compress(raw))}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # the other side had enough
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer takes 40 ms

    def log_message(self, *args):
        pass

    def do_GET(self):
        double = self.server.double
        double.asked.append((self.path, dict(self.headers)))
        address = urlsplit(self.path)
        fault = double.faults.get(address.path)
        if fault:
            fault(self)
        elif address.path == JWKS:
            keys = [signer.jwk() for signer in double.published]
            self.answer(json.dumps({"keys": keys}), "application/json")
        elif address.path == SNAPSHOT and self._known():
            self.answer(double.snapshot(parse_qs(address.query)["nonce"][0]), "application/jwt")
        elif address.path in double.statuses:
            self.answer(double.status_list(address.path), "application/statuslist+jwt")
        else:
            self.answer("{}", "application/json", 404)

    def _known(self):
        # Form-encoded first, as RFC 6749, section 2.3.1 asks.
        both = base64.b64encode(b"gw_1:the+gateway%27s%3A+own+secret").decode()
        return self.headers.get("Authorization") == f"Basic {both}"

    def answer(self, body, kind="application/jwt", status=200, **headers):
        raw = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)


# --- Faults -------------------------------------------------------------------------------------


def saying(body, **answer):
    """This body, whoever asks."""
    return lambda handler: handler.answer(body, **answer)


def silent(handler):
    """Takes the question and never answers."""
    handler.server.double.over.wait(30)
    handler.close_connection = True


def dripping(handler):
    """A byte every hundredth of a second, without end."""
    handler.close_connection = True
    double, written = handler.server.double, b"HTTP/1.1 200 OK\r\nX-Long: "
    try:
        while not double.over.wait(0.01):
            handler.wfile.write(written)
            written = b"a"
    except OSError:
        pass  # the other side had enough


def dripping_body(handler):
    handler.close_connection = True
    double, written = handler.server.double, b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
    try:
        while not double.over.wait(0.01):
            handler.wfile.write(written)
            written = b"a"
    except OSError:
        pass


def endless(handler):
    """A body without a length that goes on for as long as somebody reads."""
    handler.close_connection = True
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not handler.server.double.over.is_set():
            handler.wfile.write(b"a" * 65536)
    except OSError:
        pass


def hanging_up(handler):
    handler.close_connection = True
