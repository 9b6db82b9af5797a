"""Events that have to arrive, because they tell of an incident: tried without end, and kept."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.mail.models import OutgoingMail
from portal.webhooks import selectors, services
from portal.webhooks.models import Delivery
from tests.factories.stories import again
from tests.factories.webhooks import DeliveryFactory, EndpointFactory, answering, receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback")]
CASE = "CASE-00000001"


def about(endpoint, **fields):
    services.queue_event(
        organization=endpoint.organization,
        kind="key.revoked",
        data={"kids": ["A" * 16], "reason": "incident"},
        about=CASE,
    )
    made = endpoint.deliveries.latest("pk")
    Delivery.objects.filter(pk=made.pk).update(**fields)
    return again(made)


def test_it_is_tried_long_after_anything_else_is_given_up_and_arrives_in_the_end():
    now = timezone.now()
    with receiver(answering(503)) as server:
        delivery = about(EndpointFactory(url=server.url))
        Delivery.objects.update(queued_at=now - timedelta(days=60))
        for attempt in range(1, 30):
            Delivery.objects.update(next_attempt_at=now)
            assert services.deliver_event(delivery_id=delivery.pk) is False
            assert again(delivery).attempts == attempt
            wait = again(delivery).next_attempt_at - timezone.now()
            assert timedelta(0) < wait < timedelta(hours=2) * 1.21
        assert (again(delivery).state, again(delivery.endpoint).is_on) == ("waiting", True)
        assert wait > timedelta(hours=1.5)
        server.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        Delivery.objects.update(next_attempt_at=now)
        assert services.deliver_event(delivery_id=delivery.pk) is True
    assert selectors.told_about(CASE) == selectors.Told(delivered=1, waiting=0, given_up=0)


def test_no_endpoint_is_switched_off_for_silence_while_such_an_event_waits_there():
    now = timezone.now()
    with receiver(answering(500)) as server:
        endpoint = EndpointFactory(url=server.url)
        delivery = about(endpoint, next_attempt_at=now + timedelta(hours=1))
        old = [DeliveryFactory(endpoint=endpoint, give_up_at=now) for _ in range(2)]
        services.deliver_event(delivery_id=old[0].pk)
        assert (again(old[0]).state, again(endpoint).is_on) == ("given_up", True)
        assert again(delivery).state == "waiting"
        Delivery.objects.filter(pk=delivery.pk).update(delivered_at=now)
        services.deliver_event(delivery_id=old[1].pk)
    assert again(endpoint).disabled_reason == "failing"
    assert OutgoingMail.objects.count() == 1


@pytest.mark.parametrize("ended_by", ["partner", "410"])
def test_only_an_endpoint_that_is_switched_off_ends_it_and_it_can_be_sent_again(ended_by):
    with receiver(answering(410)) as server:
        endpoint = EndpointFactory(url=server.url)
        delivery = about(endpoint)
        if ended_by == "partner":
            services.switch_off_endpoint(endpoint_id=endpoint.pk, by=endpoint.created_by)
        else:
            services.deliver_event(delivery_id=delivery.pk)
    assert again(delivery).state == "given_up"
    assert [each.pk for each in selectors.failing_about(CASE)] == [delivery.pk]
    assert selectors.told_about(CASE).given_up == 1
    services.switch_on_endpoint(endpoint_id=endpoint.pk, by=endpoint.created_by)
    services.resend_delivery(delivery_id=delivery.pk, by=endpoint.created_by)
    assert (again(delivery).state, again(delivery).give_up_at) == ("waiting", None)


def test_it_is_kept_when_others_of_its_age_are_forgotten():
    old, now = timezone.now() - timedelta(days=31), timezone.now()
    kept = about(EndpointFactory(), queued_at=old, delivered_at=now)
    gone = DeliveryFactory(queued_at=old, delivered_at=now)
    services.reconcile_webhooks()
    assert list(Delivery.objects.values_list("pk", flat=True)) == [kept.pk]
    assert gone.pk != kept.pk


def test_the_first_attempt_under_way_is_no_failure():
    waiting = about(EndpointFactory(), attempts=1)
    assert selectors.told_about(CASE).waiting == 1
    assert not selectors.failing_about(CASE).exists()
    Delivery.objects.filter(pk=waiting.pk).update(last_status=503)
    assert [each.problem for each in selectors.failing_about(CASE)] == ["HTTP 503"]


@pytest.mark.parametrize("given", [{"about": CASE}, {"give_up_at": None}])
def test_the_database_holds_that_these_and_no_others_have_no_end(given):
    with pytest.raises(IntegrityError), transaction.atomic():
        DeliveryFactory(**given)
