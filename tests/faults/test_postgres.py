"""The PostgreSQL process itself stands still for a while, and is started again under load.

What a cut or silent network does is tried in test_database.py; here nothing is stood in for. It is
seven seconds in every run, in which each door gives up twice over, and
`STANDSTILL=30 pytest tests/faults/test_postgres.py` for half a minute.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psutil
import pytest
from django.core.management import call_command
from django.db import connection

from portal.credentials.models import Credential
from portal.credentials.tasks import reconcile
from portal.embedded import postgres
from portal.embedded.folders import password, private
from portal.embedded.process import claim
from tests.factories import stories
from tests.factories.gateway import basic, make_gateway
from tests.faults.gateways import Gateway, under_load
from tests.faults.test_workers import a_minute_later
from tests.faults.wire import wire_to
from tests.processes import portal_environment, until, web

pytestmark = pytest.mark.django_db(transaction=True)
PAUSED = int(os.environ.get("STANDSTILL", "7"))  # seconds
PATIENT = 8  # seconds for one answer: the doors give up after three


class Server:
    """A PostgreSQL of our own, which can be ended and started again on the same data."""

    def __init__(self, home):
        self.home, self._running = private(home), ExitStack()

    def start(self):
        self._running = ExitStack()
        place = claim(self.home, "postgres", self._running)
        self.url = postgres.start(place, password(self.home), self._running, durable=True)
        self._master = psutil.Process(int(place.pid.read_text()))

    def stop(self):
        self._running.close()

    @contextmanager
    def paused(self):
        """Every process of it, as when the machine it runs on is held."""
        all_of_it = [self._master, *self._master.children(recursive=True)]
        for each in all_of_it:
            each.suspend()
        try:
            yield
        finally:
            for each in all_of_it:
                each.resume()


@contextmanager
def working_in(url):
    """This process's own queries go there, too, until the block ends."""
    connection.close()
    place = urlsplit(url)
    there = {"HOST": place.hostname, "PORT": place.port, "NAME": place.path[1:]}
    there |= {"USER": place.username, "PASSWORD": place.password}
    before = {name: connection.settings_dict[name] for name in there}
    connection.settings_dict.update(there)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)


@pytest.fixture
def server(tmp_path_factory, django_db_setup):
    server = Server(tmp_path_factory.mktemp("own") / "engine")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def wire(server):
    with wire_to(urlsplit(server.url).hostname, urlsplit(server.url).port) as wire:
        yield wire


@pytest.fixture
def portal(server, wire, worker):
    """The address of two web processes, beside them a worker with its beat, all on that server."""
    own = urlsplit(server.url)
    netloc = f"{own.netloc.rpartition('@')[0]}@127.0.0.1:{wire.port}"
    env = portal_environment(DATABASE_URL=own._replace(netloc=netloc).geturl())
    with working_in(server.url):
        call_command("migrate", verbosity=0)
        with web("portal.wsgi:application", env | {"GRANIAN_WORKERS": "2"}) as address:
            worker.start(beat=True, env=env)
            yield address


def test_it_stands_still_and_is_started_again_under_load(server, wire, portal, settings):
    good, token = stories.claimed()
    doomed = stories.another(good.grant)
    registered, secret = make_gateway(good.grant.phase.release)
    with ExitStack() as stack:
        gateways = [
            stack.enter_context(Gateway(portal, basic(registered.client_id, secret)))
            for _ in range(2)
        ]
        assert [each.introspect(key) for each in gateways for key in (token, doomed[1])] == [
            True
        ] * 4
        stands_still(server, gateways, token)
        until(lambda: all(each.introspect(token) is True for each in gateways))
        starts_again(server, wire, gateways, token, doomed)
    # Nobody rings, so it is beat that has it finished: it and the worker were never started anew.
    settings.DOORBELL = False
    grant = stories.opened()
    a_minute_later()
    until(lambda: Credential.objects.filter(grant=grant, status="ready").exists(), patience=60)


def stands_still(server, gateways, token):
    """The worker, too, has something in hand that it cannot do."""
    began = time.monotonic()

    def asks(gateway):
        said = []
        while time.monotonic() - began < PAUSED:
            asked = time.monotonic()
            said += [gateway.introspect(token), gateway.authorize(token)]
            assert time.monotonic() - asked < 2 * PATIENT
        return said

    with server.paused(), ThreadPoolExecutor(len(gateways)) as pool:
        reconcile.delay()
        said = list(pool.map(asks, gateways))
    assert [set(each) for each in said] == [{503}] * len(gateways)
    assert min(len(each) for each in said) >= 4


def starts_again(server, wire, gateways, token, doomed):
    with under_load(gateways, token, doomed) as said:
        server.stop()
        until(lambda: said["good"][503] > 20)
        server.start()
        connection.close()
        connection.settings_dict["PORT"] = urlsplit(server.url).port
        wire.lead_to(urlsplit(server.url).hostname, urlsplit(server.url).port)
        said["good"].clear()
        until(lambda: said["good"][True] > 20 and said["good"][200] > 20)
