"""Webhooks while workers die and partners' servers hang: real processes, real sockets."""

import ipaddress
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials import services as credentials
from portal.credentials.models import Grant
from portal.webhooks.models import Delivery, Endpoint
from portal.webhooks.services import queue_event, reconcile_webhooks
from tests.factories import stories
from tests.factories.webhooks import OK, EndpointFactory, hang, receiver
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _loopback(settings, monkeypatch):
    """For us, and for the worker, which is a process of its own."""
    networks = ("127.0.0.0/8", "::1/128")
    settings.WEBHOOK_ALLOWED_NETWORKS = tuple(map(ipaddress.ip_network, networks))
    monkeypatch.setenv("WEBHOOK_ALLOWED_NETWORKS", ",".join(networks))


def test_a_revoked_key_is_told_by_the_worker_of_webhooks(worker):
    with receiver() as server:
        key, _ = stories.claimed()
        endpoint = EndpointFactory(url=server.url)
        Grant.objects.update(organization=endpoint.organization)
        worker.start(queues="webhooks")
        credentials.revoke_credential(kid=key.kid, reason="key_leaked", by=stories.responder())
        until(lambda: Delivery.objects.exclude(delivered_at=None).exists())
        ((_, body),) = server.requests
    assert key.kid.encode() in body


def test_a_worker_killed_while_it_speaks_delivers_again_under_the_same_id(worker):
    with receiver(hang) as server:
        endpoint = EndpointFactory(url=server.url)
        worker.start(queues="webhooks")
        queue_event(organization=endpoint.organization, kind="ping", data={})
        until(lambda: server.requests)
        worker.kill()
        cut_off = Delivery.objects.get()
        assert (cut_off.state, cut_off.attempts) == ("waiting", 1)
        assert cut_off.next_attempt_at > timezone.now()  # its lease; nobody else takes it yet
        assert reconcile_webhooks() == 0
        server.answer = OK
        over = timezone.now() - timedelta(seconds=1)
        Delivery.objects.update(next_attempt_at=over)
        Endpoint.objects.update(busy_until=over)
        worker.start(queues="webhooks")
        assert reconcile_webhooks() == 1
        until(lambda: Delivery.objects.exclude(delivered_at=None).exists())
    told = [(headers["webhook-id"], body) for headers, body in server.requests]
    assert told == [(cut_off.ref, cut_off.body.encode())] * 2
    assert Delivery.objects.get().attempts == 2


def test_a_hanging_partner_keeps_no_key_waiting(worker):
    """The worker of everything else does not hear of webhooks at all."""
    with receiver(hang) as server:
        endpoint = EndpointFactory(url=server.url)
        queue_event(organization=endpoint.organization, kind="ping", data={})
        grant = stories.opened()
        worker.start()
        until(lambda: grant.credentials.filter(status="ready").exists())
        assert server.calls == 0
    assert Delivery.objects.get().attempts == 0
