"""A portal with gateways that judge by themselves, and what stops access; see test_offline.py."""

import contextlib
import http.client
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from django.db import connection
from django.utils import timezone

from accounts.services import suspend_organization
from portal.credentials.enums import RevocationReason
from portal.credentials.models import Freeze
from portal.credentials.services import revoke_credential, suspend_grant
from portal.programs.services import halt_phase
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic
from tests.processes import free_port, portal_environment, process, until, wait_for, web

HERE = Path(__file__).parent
SOON, AT_WORST = 3.0, 15.0  # seconds
SLACK = 2.0  # for a busy machine, where something is to happen at a certain time
FORM = "application/x-www-form-urlencoded"


@dataclass
class World:
    """One release, and what stands in front of it."""

    release: object
    staff: object
    port: int
    gateway: tuple
    keys: list

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def portal(self, **more):
        ours = portal_environment(BASE_URL=self.url, **more)
        return web("portal.wsgi:application", ours, self.port)

    def key(self):
        """Of a person, an organisation and a phase of its own."""
        key = make_live_key(
            grant__application__phase__release=self.release,
            grant__application__organization=OrganizationFactory(),
        )
        self.keys.append(key)
        return key

    def token(self, key):
        status, said = send(
            f"{self.url}/oauth/token",
            {"Authorization": basic(key[0].kid, key[1]), "Content-Type": FORM},
            urlencode({"grant_type": "client_credentials"}).encode(),
        )
        assert status == 200, said
        return json.loads(said)["access_token"]

    def environment(self, folder):
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder}{os.pathsep}{HERE.parents[1] / 'verifier'}",
            "PORTAL_URL": self.url,
            "AUDIENCE": self.release.audience,
            "GATEWAY_ID": self.gateway[0].client_id,
            "GATEWAY_SECRET": self.gateway[1],
        }

    @contextlib.contextmanager
    def gateways(self):
        env = self.environment(HERE)
        with contextlib.ExitStack() as stack:
            found = [stack.enter_context(gateway(kind, env)) for kind in KINDS]
            for address in found:
                until(lambda address=address: health(address)["ready"])
            yield found


KINDS = ("wsgi", "asginl")  # the latter without lifespan, which the model has no use for


@contextlib.contextmanager
def gateway(kind, env, application=None):
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    threads = ["--blocking-threads", "4"] if kind == "wsgi" else []
    command = ["-m", "granian", "--interface", kind, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "warning", *threads, application or f"offline_gateways:{kind[:4]}"]
    with process([sys.executable, *command], env) as running:
        wait_for(address, running)
        yield address


def send(address, headers, body=None):
    asked = urllib.request.Request(address, body, headers)
    try:
        answer = urllib.request.urlopen(asked, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.read().decode()


def health(address):
    return json.loads(send(f"{address}/health", {})[1])


def call(address, token):
    return send(address, {"Authorization": f"Bearer {token}"})[0]


def calls(gateways, token):
    return [call(address, token) for address in gateways]


def all_say(gateways, token, status):
    return lambda: calls(gateways, token) == [status] * len(gateways)


def freeze(level, target=""):
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_freeze(%s, %s)", [level, target])


def lift():
    Freeze.objects.filter(lifted_at=None).update(
        lift_asked_at=timezone.now(),
        lift_asked_by=UserFactory(),
        lifted_at=timezone.now(),
        lifted_by=UserFactory(),
    )


STOPS = {
    "key revoked": lambda c, by: revoke_credential(
        kid=c.kid, reason=RevocationReason.INCIDENT, by=by
    ),
    "grant suspended": lambda c, by: suspend_grant(grant_id=c.grant_id, by=by),
    "organisation suspended": lambda c, by: suspend_organization(
        organization_id=c.grant.organization_id, by=by
    ),
    "phase halted": lambda c, by: halt_phase(phase_id=c.grant.phase_id, by=by),
    "person frozen": lambda c, _: freeze("person", c.grant.holder.ref),
    "organisation frozen": lambda c, _: freeze("organization", c.grant.organization.ref),
    "phase frozen": lambda c, _: freeze("phase", c.grant.phase.ref),
}
WIDE = {
    "release frozen": lambda c, _: freeze("release", c.grant.phase.release.ref),
    "everything frozen": lambda c, _: freeze("everything"),
}


class Stream:
    """What came of an answer that goes on, and when."""

    def __init__(self, address, path, token):
        self.connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        self.heard = 0
        self.ended_at = None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            while self.answer.read1(100):
                self.heard += 1
        self.ended_at = time.monotonic()
        self.connection.close()
