"""Rung after commit, never before, and never at the caller's cost."""

import json
import logging
import queue

import pytest
import redis
from celery import current_app
from django.conf import settings as django_settings
from django.db import transaction

from portal import doorbell
from portal.credentials.tasks import issue_credential, reconcile
from portal.request_id import request_id
from tests.processes import until


@pytest.fixture
def broker(settings):
    settings.DOORBELL = True
    current_app.control.purge()
    with redis.Redis.from_url(django_settings.REDIS_URL, decode_responses=True) as client:
        yield client
    current_app.control.purge()


def waiting(broker):
    return broker.llen(f"{django_settings.REDIS_PREFIX}celery")


@pytest.mark.django_db(transaction=True)
def test_a_ring_waits_for_the_commit(broker):
    with transaction.atomic():
        doorbell.ring_after_commit(issue_credential, 7)
        doorbell.ring(reconcile)  # goes out at once, so the other one would have been there too
        until(lambda: waiting(broker) == 1)
    until(lambda: waiting(broker) == 2)
    last = broker.lindex(f"{django_settings.REDIS_PREFIX}celery", 0)
    assert '"task": "credentials.issue"' in last
    assert '"argsrepr": "(7,)"' in last


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_rings_nobody(broker):
    with transaction.atomic():
        doorbell.ring_after_commit(issue_credential, 7)
        transaction.set_rollback(True)
    doorbell.ring(reconcile)  # one after the other: the first would be there before this one
    until(lambda: waiting(broker) > 0)
    [only] = broker.lrange(f"{django_settings.REDIS_PREFIX}celery", 0, -1)
    assert '"task": "credentials.reconcile"' in only


def test_a_full_doorbell_drops_and_says_so(settings, monkeypatch, caplog):
    settings.DOORBELL = True
    full = queue.Queue(maxsize=1)
    full.put("somebody else's")
    monkeypatch.setattr(doorbell, "_rings", full)
    with caplog.at_level(logging.WARNING):
        doorbell.ring(reconcile)
    assert caplog.messages == [
        "doorbell: credentials.reconcile dropped, the broker has been silent for long"
    ]


def test_a_silenced_doorbell_rings_nobody(settings, monkeypatch):
    settings.DOORBELL = False
    rings = queue.Queue()
    monkeypatch.setattr(doorbell, "_rings", rings)
    doorbell.ring(reconcile)
    assert rings.empty()


@pytest.mark.django_db(transaction=True)
def test_a_ring_carries_the_id_of_the_request_that_led_to_it(broker):
    token = request_id.set("8f14e45f-ceea-467f-a0e6-d5f5d1e1a1b2")
    with transaction.atomic():
        doorbell.ring_after_commit(issue_credential, 7)
    request_id.reset(token)
    doorbell.ring(reconcile)
    until(lambda: waiting(broker) == 2)
    messages = broker.lrange(f"{django_settings.REDIS_PREFIX}celery", 0, -1)
    headers = {each["task"]: each for each in (json.loads(m)["headers"] for m in messages)}
    assert headers["credentials.issue"]["request_id"] == "8f14e45f-ceea-467f-a0e6-d5f5d1e1a1b2"
    assert "request_id" not in headers["credentials.reconcile"]
