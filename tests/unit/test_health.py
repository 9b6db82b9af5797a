import socket
import time
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
    assert found | {"oldest_unfinished_seconds": 0} == IDLE | {"dead": 2}


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
