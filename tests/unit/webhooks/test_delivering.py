"""Events are delivered once, tried again for three days, and given up."""

import socket
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone

from portal.audit.selectors import timeline
from portal.mail.models import OutgoingMail
from portal.webhooks import services
from portal.webhooks.models import Delivery, Endpoint
from portal.webhooks.services import delivering
from tests.factories.stories import again
from tests.factories.webhooks import DeliveryFactory, EndpointFactory, answering, receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback")]


def queued(server, **fields):
    return DeliveryFactory(endpoint__url=server.url, **fields)


def test_what_is_taken_is_delivered_once():
    with receiver() as server:
        delivery = queued(server)
        assert services.deliver_event(delivery_id=delivery.pk) is True
        assert services.deliver_event(delivery_id=delivery.pk) is False
    ((headers, body),) = server.requests
    delivery, endpoint = again(delivery), again(delivery.endpoint)
    assert (headers["webhook-id"], body) == (delivery.ref, delivery.body.encode())
    assert headers["content-type"] == "application/json"
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 1, 204)
    assert (endpoint.busy_until, endpoint.last_success_at) == (None, delivery.delivered_at)


@pytest.mark.parametrize(
    ("tried", "seconds"),
    [(0, 5), (1, 300), (2, 1800), (3, 7200), (4, 18000), (5, 36000), (9, 36000)],
)
def test_a_failure_waits_longer_each_time(tried, seconds):
    with receiver(answering(500)) as server:
        delivery = queued(server, tried=tried, attempts=tried)
        began = timezone.now()
        assert services.deliver_event(delivery_id=delivery.pk) is False
    delivery = again(delivery)
    waits = (delivery.next_attempt_at - began).total_seconds()
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("waiting", tried + 1, 500)
    assert 0.8 * seconds <= waits <= 1.2 * seconds + 5
    assert again(delivery.endpoint).busy_until is None


def test_waits_are_scattered():
    waits = set()
    with receiver(answering(503)) as server:
        for _ in range(5):
            delivery = queued(server, tried=3)
            services.deliver_event(delivery_id=delivery.pk)
            waits.add(round((again(delivery).next_attempt_at - timezone.now()).total_seconds()))
    assert len(waits) > 1


def test_the_last_attempt_is_when_the_time_is_up_and_the_owners_are_told():
    now = timezone.now()
    with receiver(answering(500)) as server:
        delivery = queued(server, tried=5, give_up_at=now + timedelta(hours=1))
        services.deliver_event(delivery_id=delivery.pk)
        assert again(delivery).next_attempt_at == delivery.give_up_at
        Delivery.objects.update(next_attempt_at=now, give_up_at=now)
        services.deliver_event(delivery_id=delivery.pk)
        assert services.deliver_event(delivery_id=delivery.pk) is False
    endpoint = again(delivery.endpoint)
    assert (again(delivery).state, server.calls) == ("given_up", 2)
    assert (endpoint.disabled_reason, endpoint.disabled_by) == ("failing", None)
    mail = OutgoingMail.objects.get()
    assert (mail.to, mail.template) == (
        endpoint.created_by.email,
        "webhooks/endpoint_switched_off",
    )
    (event,) = timeline(endpoint.organization.ref)
    assert (event.kind, event.actor) == ("webhook.switched_off", "system:webhooks")


def test_an_endpoint_that_took_something_in_those_days_stays_on():
    now = timezone.now()
    with receiver(answering(500)) as server:
        delivery = queued(server, give_up_at=now, endpoint__last_success_at=now - timedelta(days=2))
        services.deliver_event(delivery_id=delivery.pk)
    assert (again(delivery).state, again(delivery.endpoint).is_on) == ("given_up", True)


def test_410_switches_off_at_once_and_gives_up_what_waits():
    with receiver(answering(410)) as server:
        delivery = queued(server)
        other = DeliveryFactory(endpoint=delivery.endpoint)
        services.deliver_event(delivery_id=delivery.pk)
    assert again(delivery.endpoint).disabled_reason == "gone"
    assert [again(each).state for each in (delivery, other)] == ["given_up", "given_up"]


def test_what_is_not_due_not_there_or_off_is_left_alone():
    with receiver() as server:
        early = queued(server, next_attempt_at=timezone.now() + timedelta(minutes=1))
        off = queued(server, endpoint__disabled_at=timezone.now(), endpoint__disabled_reason="gone")
        busy = queued(server, endpoint__busy_until=timezone.now() + timedelta(seconds=20))
        ids = (early.pk, off.pk, busy.pk, 0)
        assert [services.deliver_event(delivery_id=pk) for pk in ids] == [False] * 4
        assert server.calls == 0


def test_an_attempt_that_lost_its_lease_writes_nothing():
    """The fence: a worker that was frozen, and comes back when another has taken over."""
    with receiver() as server:
        delivery = queued(server)
        stale = delivering._take(delivery.pk)
        past = timezone.now() - timedelta(seconds=1)
        Delivery.objects.update(next_attempt_at=past)
        Endpoint.objects.update(busy_until=past)
        assert services.deliver_event(delivery_id=delivery.pk) is True
    before = again(delivery)
    delivering._write_down(stale, delivering.transport.Answer(500))
    after = again(delivery)
    assert (stale.number, before.attempts) == (1, 2)
    assert (after.state, after.last_status) == ("delivered", 204)


def test_a_refused_target_is_a_failure_with_words():
    delivery = DeliveryFactory(endpoint__url="https://10.0.0.1/")
    assert services.deliver_event(delivery_id=delivery.pk) is False
    assert again(delivery).last_error == "This address is not on the open internet."


def test_a_failure_on_our_side_is_written_down_and_the_log_says_where(monkeypatch, caplog):
    def out_of_time(*_address, **_more):
        raise SoftTimeLimitExceeded

    with receiver() as server:
        delivery = queued(server)
        monkeypatch.setattr(socket, "create_connection", out_of_time)
        assert services.deliver_event(delivery_id=delivery.pk) is False
    assert again(delivery).last_error == "Failed here: SoftTimeLimitExceeded."
    assert "in out_of_time" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_ten_workers_at_once_send_it_once(concurrently):
    with receiver() as server:
        pk = queued(server).pk
        results = concurrently(*[lambda: services.deliver_event(delivery_id=pk)] * 10)
    assert (sorted(results), server.calls) == ([False] * 9 + [True], 1)


@pytest.mark.django_db(transaction=True)
def test_a_removal_and_an_event_at_once_never_fail_the_change(concurrently):
    """The removed endpoint's rows go with it; whoever revokes a key sees no error."""
    for _ in range(5):
        endpoint = EndpointFactory()

        def queue(of=endpoint.organization):
            with transaction.atomic():
                return services.queue_event(organization=of, kind="ping", data={})

        def remove(of=endpoint):
            return services.remove_endpoint(endpoint_id=of.pk, by=of.created_by)

        results = concurrently(queue, remove)
        assert None in results
        assert [each for each in results if each not in (None, 0, 1)] == []
        assert not Delivery.objects.exists()
