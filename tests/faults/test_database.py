"""The doors when PostgreSQL is silent, cut off or restarted: never a yes for a dead key, and right
again without hands.
"""

import time
from collections import Counter
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests.factories import stories
from tests.factories.gateway import basic, make_gateway
from tests.faults.gateways import Gateway, revoke, under_load
from tests.faults.wire import wire_to
from tests.processes import portal_environment, until, web

pytestmark = pytest.mark.django_db(transaction=True)
PATIENT = 8  # seconds for one answer: the doors give up on a silent server after three
MANY = 10


@pytest.fixture(scope="module")
def served(django_db_setup):
    """(wire, address): two web processes, and the wire on which their database hangs."""
    with ExitStack() as stack:
        database = urlsplit(portal_environment()["DATABASE_URL"])
        wire = stack.enter_context(wire_to(database.hostname, database.port))
        known = database.netloc.rpartition("@")[0]
        behind = database._replace(netloc=f"{known}@127.0.0.1:{wire.port}")
        env = portal_environment(DATABASE_URL=behind.geturl(), GRANIAN_WORKERS="2")
        yield wire, stack.enter_context(web("portal.wsgi:application", env))


@pytest.fixture(autouse=True)
def _mended(served):
    yield
    served[0].mend()


@pytest.fixture
def key():
    """(credential, token)."""
    return stories.claimed()


@pytest.fixture
def gateway(served, key):
    """Makes gateways of the key's release, which ask until the test ends."""
    registered, secret = make_gateway(key[0].grant.phase.release)
    with ExitStack() as stack:

        def one():
            return stack.enter_context(Gateway(served[1], basic(registered.client_id, secret)))

        yield one


def test_a_silent_database_is_a_503_and_never_an_earlier_yes(served, key, gateway):
    (wire, _address), (credential, token), gateway = served, key, gateway()
    assert (gateway.introspect(token), gateway.authorize(token)) == (True, 200)  # remembered
    wire.hold()
    began = time.monotonic()
    assert (gateway.introspect(token), gateway.authorize(token)) == (503, 503)
    assert time.monotonic() - began < 2 * PATIENT
    revoke(credential)  # by somebody whose own way to the database is open
    assert (gateway.introspect(token), gateway.authorize(token)) == (503, 503)
    wire.mend()
    said = []
    until(lambda: said.append(gateway.introspect(token)) or said[-1] is False)
    assert set(said) <= {503, False}
    assert gateway.authorize(token) == 401


def test_cut_off_under_load_it_is_right_again_without_hands(served, key, gateway):
    wire, (good, token) = served[0], key
    with under_load([gateway() for _ in range(4)], token, stories.another(good.grant)) as said:
        for _ in range(3):
            wire.cut()
            until(lambda: said["good"][503] > 20)
            wire.mend()
            said["good"].clear()
            until(lambda: said["good"][True] > 20 and said["good"][200] > 20)
    assert said["dead"][False] > 20


def test_every_connection_that_the_server_ends_is_made_again(key, gateway):
    """As when the server restarts: what was prepared on the connections is gone with them."""
    token, gateways = key[1], [gateway() for _ in range(4)]
    assert [each.introspect(token) for each in gateways] == [True] * 4
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 1
    said = []
    until(lambda: said.append([each.introspect(token) for each in gateways]) or all(said[-1]))
    assert {answer for answers in said for answer in answers} <= {True, 503}
    assert said[-1] == [True] * 4


def test_revoked_when_the_service_returns_whichever_process_is_asked(key, gateway):
    """Caches warm in both processes: the very next answer of each is no."""
    gateways, answers = [gateway() for _ in range(6)], Counter()
    for _ in range(MANY):
        credential, token = stories.another(key[0].grant)
        assert [each.introspect(token) for each in gateways] == [True] * 6
        revoke(credential)
        answers.update(each.introspect(token) for each in gateways)
        answers.update(each.authorize(token) for each in gateways)
    assert answers == {False: 6 * MANY, 401: 6 * MANY}
