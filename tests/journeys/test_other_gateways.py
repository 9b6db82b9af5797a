"""The documented configurations of Envoy, Traefik and Caddy, run by the real ones. CI brings them
and fails without one; elsewhere their tests are skipped. nginx is in test_nginx.py.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.utils import timezone

from portal.credentials.models import Credential
from tests.factories.accounts import UserFactory
from tests.factories.gateway import basic
from tests.journeys.test_nginx import (
    arrived,
    bearer,
    exchange,
    forged,
    identity,
    key,  # noqa: F401 - a fixture
    model,  # noqa: F401 - a fixture
    portal,  # noqa: F401 - a fixture
    silent,  # noqa: F401 - a fixture
    told,
)
from tests.journeys.test_nginx import call as called
from tests.processes import free_port, process, until, wait_for

HERE = settings.BASE_DIR / "docs" / "gateways"
CREDENTIALS = "Basic <base64 of client id:secret>"
SCOPE = "model:infer"

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Product:
    """A gateway: its documented file, how it is run, and what it makes of its own troubles."""

    program: str
    file: str
    command: Callable
    no_word: int = 503  # the portal down
    own_secret: int = 503  # the gateway's own credentials are wrong
    own_question: int = 503  # it names no scope
    patient: bool = False  # waits longer for a silent portal than two seconds
    late: bool = False  # answers, that there is nothing, before it has read its file


def _envoy(program, file, port):
    return [program, "-c", str(file), "--use-dynamic-base-id", "--log-level", "warning"]


def _caddy(program, file, port):
    around = file.with_name("around")
    around.write_text(f"{{\n\tadmin off\n}}\nimport {file}\n")
    return [program, "run", "--adapter", "caddyfile", "--config", str(around)]


def _traefik(program, file, port):
    return [
        program,
        f"--providers.file.filename={file}",
        f"--entrypoints.web.address=127.0.0.1:{port}",
        *("--global.checknewversion=false", "--global.sendanonymoususage=false"),
        "--providers.providersthrottleduration=10ms",  # it would end two seconds later
    ]


PRODUCTS = [
    Product("envoy", "envoy.yaml", _envoy, own_secret=401),
    Product(
        "traefik",
        "traefik.yaml",
        _traefik,
        no_word=500,
        own_secret=401,
        own_question=400,
        patient=True,
        late=True,
    ),
    Product("caddy", "Caddyfile", _caddy),
]


def name(product):
    return product.program


@pytest.fixture(params=PRODUCTS, ids=name)
def gateway(request):
    program = request.param.program
    if not shutil.which(program) and os.environ.get("CI"):
        pytest.fail(f"CI has no {program}: put it on the PATH, as .ci/run does.")
    if not shutil.which(program):
        pytest.skip(f"NO TESTS OF {program.upper()}: put `{program}` on the PATH.")
    return request.param


@pytest.fixture
def start(gateway, model, key, tmp_path):  # noqa: F811 - the fixtures
    """start(portal_port) runs the gateway with its documented configuration."""
    with ExitStack() as stack:

        def start(portal, credentials=key.basic, scope=SCOPE):
            port = free_port()
            text = (HERE / gateway.file).read_text()
            for documented, here in {CREDENTIALS: credentials, SCOPE: scope}.items():
                assert text.count(documented) == 1
                text = text.replace(documented, here)
            for documented, here in {8000: portal, 9000: model, 8080: port}.items():
                text = re.sub(
                    rf"(127\.0\.0\.1(?::|, port_value: )){documented}\b", rf"\g<1>{here}", text
                )
            file = tmp_path / gateway.file
            file.write_text(text)
            command = gateway.command(shutil.which(gateway.program), file, port)
            running = stack.enter_context(process(command, {"HOME": str(tmp_path)}))
            wait_for(f"http://127.0.0.1:{port}/", running)
            edge = SimpleNamespace(port=port)
            if gateway.late:
                until(lambda: call(edge)[0] != 404)
            return edge

        yield start


def call(edge, headers=(), path="/v1/responses"):
    status, said, body = called(edge, headers, path)
    return status, {name.lower(): value for name, value in said.items()}, body


def test_the_whole_way(start, portal, key):  # noqa: F811 - the fixtures
    edge = start(portal)
    spoofed = forged(key)
    status, _, body = call(edge, [bearer(key.token), ("Cookie", "session=mine"), *spoofed])
    assert status == 200
    assert not re.search(rf"FORGED|session=mine|{key.token}", body.decode())
    heard = arrived(body)
    assert told(heard) == identity(key)
    assert {"authorization", "cookie", "x-gateway-authorization"} & set(heard) == set()

    assert call(edge)[0] == 401
    assert call(edge, spoofed)[0] == 401
    status, headers, _ = call(edge, [bearer(key.token[:-1])])
    assert status == 401
    assert headers["www-authenticate"].startswith("Bearer")
    # The caller cannot choose the scope, nor a way out of the check.
    Credential.objects.filter(pk=key.credential.pk).update(scopes=["cyber:scan"])
    chosen = [bearer(key.token), ("X-Required-Scope", "cyber:scan")]
    assert call(edge, chosen)[0] == 403
    assert call(edge, chosen, "/v1/?scope=cyber:scan")[0] == 403
    for up in ("../../..", "%2e%2e/%2e%2e/%2e%2e", "..%2f..%2f.."):
        assert call(edge, chosen, f"/v1/{up}/healthz")[0] in {400, 403, 404}
    Credential.objects.filter(pk=key.credential.pk).update(scopes=["model:infer"])

    # A key in the address is refused; a short token goes the same way as a key.
    assert call(edge, [bearer(key.token)], f"/v1/responses?key={key.token}")[0] == 401
    token = exchange(portal, key)
    assert told(arrived(call(edge, [bearer(token), *spoofed])[2])) == identity(key)

    Credential.objects.filter(pk=key.credential.pk).update(
        status="revoked", revoked_at=timezone.now(), revoked_by=UserFactory()
    )
    assert call(edge, [bearer(key.token)])[0] == 401


def test_without_the_portals_word_nobody_passes(start, gateway, key):  # noqa: F811 - the fixtures
    assert call(start(free_port()), [bearer(key.token)])[0] == gateway.no_word


@pytest.mark.parametrize(
    "gateway", [each for each in PRODUCTS if not each.patient], indirect=True, ids=name
)
def test_a_silent_portal_is_waited_for_two_seconds(start, gateway, key, silent):  # noqa: F811
    edge, began = start(silent), time.monotonic()
    assert call(edge, [bearer(key.token)])[0] == gateway.no_word
    assert 1.9 < time.monotonic() - began < 10  # a busy machine is not the portal's silence


def test_what_becomes_of_wrong_credentials(start, gateway, portal, key):  # noqa: F811
    edge = start(portal, credentials=basic("GW-AAAAAAAA", "wrong"))
    status, headers, body = call(edge, [bearer(key.token)])
    assert status == gateway.own_secret
    assert ("www-authenticate" in headers) is (status == 401)
    wrong = "invalid_client" if status == 401 else "temporarily_unavailable"
    assert json.loads(body)["error"] == wrong


def test_what_becomes_of_a_wrong_question(start, gateway, portal, key):  # noqa: F811
    edge = start(portal, scope="")
    assert call(edge, [bearer(key.token)])[0] == gateway.own_question
