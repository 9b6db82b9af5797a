"""Events are queued for whom they concern, and what waits is rung for."""

import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from portal.audit.services import System
from portal.credentials import services as credentials
from portal.credentials.services.timing import close_what_is_over
from portal.owed import Owed
from portal.webhooks import selectors, services
from portal.webhooks.models import Delivery
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.stories import again
from tests.factories.webhooks import DeliveryFactory, EndpointFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback")]


def told(endpoint):
    return [
        (each["type"], each["data"])
        for each in map(
            json.loads, endpoint.deliveries.order_by("pk").values_list("body", flat=True)
        )
    ]


def test_an_event_goes_to_each_endpoint_that_is_on(django_capture_on_commit_callbacks):
    on, other = EndpointFactory(), EndpointFactory()
    second = EndpointFactory(organization=on.organization)
    off = EndpointFactory(organization=on.organization)
    services.switch_off_endpoint(endpoint_id=off.pk, by=off.created_by)
    with django_capture_on_commit_callbacks() as rings:
        made = services.queue_event(
            organization=on.organization, kind="grant.suspended", data={"grant": "GRT-1"}
        )
    assert (made, len(rings)) == (2, 2)
    event = [("grant.suspended", {"grant": "GRT-1"})]
    assert [told(each) for each in (on, second, off, other)] == [event, event, [], []]


def test_a_person_who_applied_alone_has_nobody_to_tell(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert services.queue_event(organization=None, kind="key.revoked", data={}) == 0


@pytest.mark.parametrize(("count", "events"), [(1, [1]), (1000, [1000]), (2001, [1000, 1000, 1])])
def test_many_keys_are_split(count, events, django_assert_num_queries):
    endpoint = EndpointFactory()
    kids = [f"{number:016}" for number in range(count)]
    with django_assert_num_queries(2):
        services.queue_event(
            organization=endpoint.organization,
            kind="key.revoked",
            data={"kids": kids, "reason": "key_leaked"},
        )
    parts = [data for _, data in told(endpoint)]
    assert [len(part["kids"]) for part in parts] == events
    assert [kid for part in parts for kid in part["kids"]] == kids
    assert {part["reason"] for part in parts} == {"key_leaked"}
    assert max(len(each.body) for each in endpoint.deliveries.all()) < 20_480


def test_a_rolled_back_change_tells_nobody():
    endpoint = EndpointFactory()
    with transaction.atomic():
        services.queue_event(organization=endpoint.organization, kind="ping", data={})
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_what_happens_to_keys_and_grants_is_told():
    grant = GrantFactory(application__organization=OrganizationFactory())
    endpoint = EndpointFactory(organization=grant.organization)
    first, second, third = (make_live_key(grant=grant)[0] for _ in range(3))
    by = stories.responder()
    credentials.revoke_credential(kid=first.kid, reason="key_leaked", by=by)
    credentials.revoke_credential(kid=first.kid, reason="key_leaked", by=by)
    credentials.revoke_by_possession(kid=second.kid, by=System("oauth"))
    credentials.suspend_grant(grant_id=grant.pk, by=by)
    credentials.resume_grant(grant_id=grant.pk, by=by)
    credentials.revoke_grant(grant_id=grant.pk, reason="misuse", by=by)
    assert told(endpoint) == [
        ("key.revoked", {"kids": [first.kid], "reason": "key_leaked"}),
        ("key.revoked", {"kids": [second.kid], "reason": "no_longer_needed"}),
        ("grant.suspended", {"grant": grant.ref}),
        ("grant.resumed", {"grant": grant.ref}),
        ("grant.revoked", {"grant": grant.ref, "kids": [third.kid], "reason": "misuse"}),
    ]


def test_a_grant_that_ends_or_is_given_up_is_told():
    organization = OrganizationFactory()
    endpoint = EndpointFactory(organization=organization)
    ended = GrantFactory(
        application__organization=organization, ends_at=timezone.now() - timedelta(minutes=1)
    )
    close_what_is_over(by=System("clock"))
    key, _ = make_live_key(grant__application__organization=organization)
    credentials.withdraw_grant(grant_id=key.grant_id, by=key.grant.holder)
    assert told(endpoint) == [
        ("grant.ended", {"grant": ended.ref}),
        ("key.revoked", {"kids": [key.kid], "reason": "no_longer_needed"}),
    ]


def test_reconcile_rings_once_an_endpoint_ends_what_is_off_and_forgets():
    now, old = timezone.now(), timezone.now() - timedelta(days=31)
    first = DeliveryFactory()
    DeliveryFactory(endpoint=first.endpoint)
    DeliveryFactory(next_attempt_at=now + timedelta(minutes=5))
    DeliveryFactory(endpoint__busy_until=now + timedelta(seconds=20))
    killed = DeliveryFactory(attempts=1, endpoint__busy_until=now - timedelta(seconds=1))
    off = DeliveryFactory(endpoint__disabled_at=now, endpoint__disabled_reason="by_staff")
    gone = [
        DeliveryFactory(queued_at=old, dead_at=now),
        DeliveryFactory(queued_at=old, delivered_at=now),
    ]
    kept = DeliveryFactory(queued_at=old, next_attempt_at=now + timedelta(minutes=1))
    assert sorted(selectors.due_deliveries()) == [first.pk, killed.pk]
    assert services.reconcile_webhooks() == 2
    assert again(off).state == "given_up"
    left = set(Delivery.objects.values_list("pk", flat=True))
    assert [each.pk in left for each in (*gone, kept)] == [False, False, True]


def test_what_is_told_of_as_unfinished_and_in_the_metrics():
    assert selectors.unfinished_deliveries() == Owed(waiting=0, since=None, due_since=None, dead=0)
    now = timezone.now()
    late = now - timedelta(minutes=2)
    DeliveryFactory(next_attempt_at=late)
    DeliveryFactory(next_attempt_at=now + timedelta(hours=1))
    DeliveryFactory(dead_at=now)
    DeliveryFactory(delivered_at=now)
    assert selectors.unfinished_deliveries() == Owed(waiting=1, since=late, due_since=late, dead=0)
    assert selectors.deliveries_by_state() == {"waiting": 2, "given_up": 1}
