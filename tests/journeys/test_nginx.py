"""Real nginx with the documented configuration, a real portal, and a tiny model behind it."""

import http.client
import json
import os
import re
import shutil
import socket
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.utils import timezone

from accounts.models import Organization
from portal.credentials import secrets
from portal.credentials.models import Credential
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway
from tests.log import events_about
from tests.processes import free_port, process, production_environment, wait_for, web

CONFIGURATION = Path(__file__).parents[2] / "docs" / "gateways" / "nginx.conf"

# What surrounds the documented file in an installation; everything it writes is in one folder.
AROUND = """
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{}}
http {{
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/model.conf;
}}
"""

pytestmark = pytest.mark.django_db(transaction=True)


class Model(BaseHTTPRequestHandler):
    """Answers with the headers it got."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def find_nginx():
    """Where it is; None where there is none, which in CI is a failure."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not found and os.environ.get("CI"):
        pytest.fail("CI has no nginx: install it.")
    return found


@pytest.fixture(scope="module")
def nginx():
    return find_nginx() or pytest.skip("NO NGINX TESTS: install nginx.")


@pytest.fixture(scope="module")
def model():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def key():
    credential, token = make_live_key(
        grant__application__organization=OrganizationFactory(), grant__scopes=["model:infer"]
    )
    gateway, secret = make_gateway(credential.grant.phase.release)
    return SimpleNamespace(
        credential=credential, token=token, basic=basic(gateway.client_id, secret)
    )


@pytest.fixture(scope="module")
def portal(django_db_setup):
    """The port of a portal as in production, that shares this module's database."""
    port = free_port()
    with web("portal.wsgi:application", production_environment(), port):
        yield port


@pytest.fixture
def start(nginx, model, key, tmp_path):
    """start(portal_port) runs nginx with the documented configuration."""
    with ExitStack() as stack:

        def start(portal, credentials=key.basic):
            port = free_port()
            configure(tmp_path, portal, model, port, credentials)
            command = [nginx, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
            command += ["-e", str(tmp_path / "error.log")]
            wait_for(f"http://127.0.0.1:{port}/", stack.enter_context(process(command, {})))
            return SimpleNamespace(port=port, home=tmp_path)

        yield start


def configure(home, portal, model, port, credentials):
    text = CONFIGURATION.read_text()
    for documented, here in {
        "127.0.0.1:8000": f"127.0.0.1:{portal}",
        "127.0.0.1:9000": f"127.0.0.1:{model}",
        "127.0.0.1:8080": f"127.0.0.1:{port}",
        "/etc/nginx/portal-gateway.conf": f"{home}/portal-gateway.conf",
        "/var/log/nginx/model.log": f"{home}/model.log",
    }.items():
        assert text.count(documented) == 1
        text = text.replace(documented, here)
    (home / "model.conf").write_text(text)
    (home / "portal-gateway.conf").write_text(
        f'proxy_set_header X-Gateway-Authorization "{credentials}";\n'
    )
    (home / "nginx.conf").write_text(AROUND.format(home=home))
    for folder in (home, *home.parents[:2]):
        folder.chmod(0o755)  # nginx's workers are another user when this is root


def call(edge, headers=(), path="/v1/responses"):
    """Return (status, headers, body) of one call; `headers` may repeat a name."""
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=10)
    try:
        connection.putrequest("POST", path)
        for name, value in (*headers, ("Content-Length", "2")):
            connection.putheader(name, value)
        connection.endheaders(b"{}")
        said = connection.getresponse()
        return said.status, dict(said.headers), said.read()
    finally:
        connection.close()


def exchange(portal, key):
    """The short token a client gets for its key."""
    connection = http.client.HTTPConnection("127.0.0.1", portal, timeout=10)
    headers = {
        "Authorization": basic(key.credential.kid, key.token),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection.request("POST", "/oauth/token", "grant_type=client_credentials", headers)
    said = json.loads(connection.getresponse().read())
    connection.close()
    return said["access_token"]


def bearer(token):
    return ("Authorization", f"Bearer {token}")


def arrived(body):
    """The headers the model got, as a dictionary; no name came twice."""
    pairs = [(name.lower(), value) for name, value in json.loads(body)]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def identity(key):
    grant = key.credential.grant
    return {
        "x-access-subject": grant.holder.ref,
        "x-access-organization": grant.organization.ref if grant.organization else "-",
        "x-access-key-id": key.credential.kid,
        "x-access-grant": grant.ref,
        "x-access-scope": "model:infer",
        "x-access-requests-per-minute": "60",
        "x-access-tokens-per-day": "1000000",
    }


def forged(key):
    """Every name the model believes, in each spelling that a WSGI model takes for the same."""
    return [(way.title(), "FORGED") for name in identity(key) for way in spellings(name)]


def spellings(name):
    first, *others = name.split("-")
    for marks in product("-_", repeat=len(others)):
        yield first + "".join(mark + part for mark, part in zip(marks, others, strict=True))


def told(headers):
    return {name: value for name, value in headers.items() if name.startswith("x-access-")}


def test_the_portal_behind_it_is_as_in_production(portal):
    """Pages are sent to https; what the gateway asks over plain http is answered."""
    said = {}
    for path in ("/", "/gateway/authorize?scope=model:infer", "/oauth/introspect"):
        connection = http.client.HTTPConnection("127.0.0.1", portal, timeout=10)
        connection.request("GET", path, headers={"Host": "portal.example.org"})
        answer = connection.getresponse()
        said[path] = answer.status, answer.headers["Location"]
        connection.close()
    assert list(said.values()) == [
        (301, "https://portal.example.org/"),
        (401, None),
        (405, None),
    ]


def test_the_whole_way(start, portal, key):
    edge = start(portal)
    # A good key: the model hears who calls, and neither key nor cookie.
    spoofed = forged(key)
    assert {"X-Access-Subject", "X_Access_Subject", "X-Access-Key_Id"} < {n for n, _ in spoofed}
    status, _, body = call(edge, [bearer(key.token), ("Cookie", "session=mine"), *spoofed])
    assert status == 200
    assert not re.search(rf"FORGED|session=mine|{key.token}", body.decode())
    heard = arrived(body)
    assert told(heard) == identity(key)
    assert {"authorization", "cookie", "x-gateway-authorization"} & set(heard) == set()

    # No key, half a key, an unknown one.
    assert call(edge)[0] == 401
    assert call(edge, spoofed)[0] == 401
    assert call(edge, [bearer(key.token[:-1])])[0] == 401
    status, headers, body = call(edge, [bearer(secrets.mint(secrets.new_kid()).token)])
    assert (status, json.loads(body)) == (401, {"error": "invalid_token"})
    assert headers["WWW-Authenticate"] == 'Bearer realm="trusted-access", error="invalid_token"'
    assert headers["Cache-Control"] == "no-store"

    # Two keys at once or one header of 64 kB: nginx itself refuses.
    assert call(edge, [bearer("tpk_live_x"), bearer(key.token)])[0] == 400
    assert call(edge, [("Authorization", "Bearer " + "a" * 65_536)])[0] == 400

    # The caller cannot choose the scope, nor speak to the check itself.
    Credential.objects.filter(pk=key.credential.pk).update(scopes=["cyber:scan"])
    status, headers, body = call(edge, [bearer(key.token), ("X-Required-Scope", "cyber:scan")])
    assert (status, json.loads(body)) == (403, {"error": "insufficient_scope"})
    assert headers["WWW-Authenticate"].endswith('scope="model:infer"')
    assert call(edge, [bearer(key.token)], "/v1/?scope=cyber:scan")[0] == 403
    assert call(edge, [bearer(key.token)], "/_access")[0] == 404
    Credential.objects.filter(pk=key.credential.pk).update(scopes=["model:infer"])

    # A key in the address is refused and noted, and does not stand in nginx's own log.
    assert call(edge, [bearer(key.token)], f"/v1/responses?key={key.token}")[0] == 401
    assert [(e.kind, e.payload) for e in events_about(key.credential.kid)] == [
        ("credential.leak_suspected", {"place": "original_uri"})
    ]
    log = (edge.home / "model.log").read_text()
    assert key.credential.kid in log
    assert key.token not in log

    # Without an organisation the header still is ours.
    key.credential.grant.organization = None
    key.credential.grant.save()
    assert told(arrived(call(edge, [bearer(key.token), *spoofed])[2])) == identity(key)
    assert Organization.objects.count() == 1

    # A short token goes the same way, under the same name.
    token = exchange(portal, key)
    status, _, body = call(edge, [bearer(token), *spoofed])
    assert (status, told(arrived(body))) == (200, identity(key))
    assert token not in (edge.home / "model.log").read_text()

    # Revoked: refused at the very next call.
    assert call(edge, [bearer(key.token)])[0] == 200
    Credential.objects.filter(pk=key.credential.pk).update(
        status="revoked", revoked_at=timezone.now(), revoked_by=UserFactory()
    )
    assert call(edge, [bearer(key.token)])[0] == 401
    assert call(edge, [bearer(token)])[0] == 401


@pytest.fixture
def silent():
    """A port where calls are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("trouble", ["down", "silent"])
def test_without_the_portals_word_nobody_passes(start, key, silent, trouble):
    edge = start(silent if trouble == "silent" else free_port())
    status, headers, body = call(edge, [bearer(key.token)])
    assert (status, json.loads(body)) == (503, {"error": "temporarily_unavailable"})
    assert headers["Retry-After"] == "2"


def test_a_gateway_with_wrong_credentials_does_not_blame_the_key(start, portal, key):
    edge = start(portal, credentials=basic("GW-AAAAAAAA", "wrong"))
    status, headers, body = call(edge, [bearer(key.token)])
    assert (status, json.loads(body)) == (503, {"error": "temporarily_unavailable"})
    assert "WWW-Authenticate" not in headers
