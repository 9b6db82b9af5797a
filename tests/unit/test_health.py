import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.conf import settings as live_settings
from django.db import OperationalError, connection
from django.utils import timezone

from portal import health
from portal.credentials.enums import CredentialStatus, GrantStatus
from portal.mail.models import OutgoingMail
from tests.factories.credentials import CredentialFactory, GrantFactory

IDLE = {
    "status": "ready",
    "database": "up",
    "broker": "up",
    "oldest_unfinished_seconds": 0,
    "unfinished_seconds": {"issue": 0, "revocation": 0, "reissue": 0, "mail": 0, "webhooks": 0},
    "dead": 0,
}


@pytest.fixture
def silent():
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"


@pytest.fixture
def closed():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    return f"redis://127.0.0.1:{port}/0"


def test_all_is_well(client, db):
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, IDLE)
    assert response["Cache-Control"] == "no-store"


def test_it_tells_how_long_the_oldest_row_waits_and_how_many_are_given_up(db):
    long_ago = timezone.now() - timedelta(seconds=90)
    CredentialFactory(
        status=CredentialStatus.REQUESTED,
        requested_at=long_ago,
        grant__status=GrantStatus.ACTIVATING,
    )
    GrantFactory(status=GrantStatus.ACTIVATION_FAILED)
    OutgoingMail.objects.create(to="a@example.org", template="a/b")
    OutgoingMail.objects.create(to="a@example.org", template="a/b", dead_at=timezone.now())
    found = health.health()
    assert found["oldest_unfinished_seconds"] in {90, 91}
    assert found["unfinished_seconds"]["issue"] == found["oldest_unfinished_seconds"]
    of_kinds = found["unfinished_seconds"] | {"issue": 0}
    quiet = {"oldest_unfinished_seconds": 0, "unfinished_seconds": of_kinds}
    assert found | quiet == IDLE | {"dead": 2}


def test_mail_counts_too(db):
    OutgoingMail.objects.create(
        to="a@example.org", template="a/b", queued_at=timezone.now() - timedelta(hours=1)
    )
    assert health.health()["oldest_unfinished_seconds"] in {3600, 3601}


def test_without_the_broker_it_is_degraded_and_ready(client, db, settings, closed):
    settings.REDIS_URL = closed
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (
        200,
        IDLE | {"status": "degraded", "broker": "down"},
    )


def test_without_the_database_it_is_not_ready(client, db):
    def gone(execute, sql, params, many, context):
        raise OperationalError("server closed the connection")

    with connection.execute_wrapper(gone):
        response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "status": "unavailable",
        "database": "down",
        "broker": "up",
        "oldest_unfinished_seconds": None,
        "unfinished_seconds": None,
        "dead": None,
    }


def test_a_silent_broker_costs_a_second_at_most(silent):
    began = time.monotonic()
    assert health.broker_answers(silent) is False
    assert time.monotonic() - began < 1.2


def test_only_a_real_broker_answers(closed):
    assert health.broker_answers(live_settings.REDIS_URL) is True
    assert health.broker_answers(closed) is False
    assert health.broker_answers("amqp://not-redis") is False


def timed(call):
    began = time.monotonic()
    return call(), time.monotonic() - began


def test_the_broker_is_asked_once_in_two_seconds_however_often_we_are(silent):
    broker = health.Remembered()
    (first, waited), (second, at_once) = (timed(lambda: broker.answers(silent)) for _ in range(2))
    assert (first, second) == (False, False)
    assert at_once < health.PATIENCE / 2 < waited


def test_an_answer_is_not_kept_for_long_nor_told_of_another_broker(closed):
    broker, url = health.Remembered(), live_settings.REDIS_URL
    assert broker.answers(closed) is False
    assert broker.answers(url) is True
    broker._known[url] = (False, time.monotonic())  # it was down, as of GOOD_FOR ago
    assert broker.answers(url) is True


def test_while_one_thread_asks_a_silent_broker_the_others_are_free(silent, monkeypatch):
    monkeypatch.setattr(health, "GOOD_FOR", 0)
    broker = health.Remembered()
    broker.answers(silent)
    together = threading.Barrier(4)

    def ask(_number):
        together.wait()
        return timed(lambda: broker.answers(silent))

    with ThreadPoolExecutor(4) as pool:
        waits = sorted(waited for _answer, waited in pool.map(ask, range(4)))
    assert waits[0] < health.PATIENCE / 2 < waits[-1]
    assert sum(waits) < 3 * health.PATIENCE
