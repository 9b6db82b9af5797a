"""What is queued, delivered, put off, given up and switched off."""

import ipaddress
import json
import socket
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone

from portal.audit.selectors import timeline
from portal.audit.services import System
from portal.credentials import services as credentials
from portal.credentials.services.timing import close_what_is_over
from portal.errors import DomainError
from portal.mail.models import OutgoingMail
from portal.owed import Owed
from portal.webhooks import selectors, services
from portal.webhooks.models import Delivery, Endpoint
from portal.webhooks.services import delivering
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.credentials import GrantFactory, make_live_key
from tests.factories.webhooks import DeliveryFactory, EndpointFactory, answering, receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )


def told(endpoint):
    return [
        (each["type"], each["data"])
        for each in map(
            json.loads, endpoint.deliveries.order_by("pk").values_list("body", flat=True)
        )
    ]


def queued(server, **fields):
    return DeliveryFactory(endpoint__url=server.url, **fields)


def fresh(row):
    return type(row).objects.get(pk=row.pk)


# --- Queueing ---------------------------------------------------------------------------------


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


# --- Delivering -------------------------------------------------------------------------------


def test_what_is_taken_is_delivered_once():
    with receiver() as server:
        delivery = queued(server)
        assert services.deliver_event(delivery_id=delivery.pk) is True
        assert services.deliver_event(delivery_id=delivery.pk) is False
    ((headers, body),) = server.requests
    delivery, endpoint = fresh(delivery), fresh(delivery.endpoint)
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
    delivery = fresh(delivery)
    waits = (delivery.next_attempt_at - began).total_seconds()
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("waiting", tried + 1, 500)
    assert 0.8 * seconds <= waits <= 1.2 * seconds + 5
    assert fresh(delivery.endpoint).busy_until is None


def test_waits_are_scattered():
    waits = set()
    with receiver(answering(503)) as server:
        for _ in range(5):
            delivery = queued(server, tried=3)
            services.deliver_event(delivery_id=delivery.pk)
            waits.add(round((fresh(delivery).next_attempt_at - timezone.now()).total_seconds()))
    assert len(waits) > 1


def test_the_last_attempt_is_when_the_time_is_up_and_the_owners_are_told():
    now = timezone.now()
    with receiver(answering(500)) as server:
        delivery = queued(server, tried=5, give_up_at=now + timedelta(hours=1))
        services.deliver_event(delivery_id=delivery.pk)
        assert fresh(delivery).next_attempt_at == delivery.give_up_at
        Delivery.objects.update(next_attempt_at=now, give_up_at=now)
        services.deliver_event(delivery_id=delivery.pk)
        assert services.deliver_event(delivery_id=delivery.pk) is False
    endpoint = fresh(delivery.endpoint)
    assert (fresh(delivery).state, server.calls) == ("given_up", 2)
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
    assert (fresh(delivery).state, fresh(delivery.endpoint).is_on) == ("given_up", True)


def test_410_switches_off_at_once_and_gives_up_what_waits():
    with receiver(answering(410)) as server:
        delivery = queued(server)
        other = DeliveryFactory(endpoint=delivery.endpoint)
        services.deliver_event(delivery_id=delivery.pk)
    assert fresh(delivery.endpoint).disabled_reason == "gone"
    assert [fresh(each).state for each in (delivery, other)] == ["given_up", "given_up"]


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
    before = fresh(delivery)
    delivering._write_down(stale, delivering.transport.Answer(500))
    after = fresh(delivery)
    assert (stale.number, before.attempts) == (1, 2)
    assert (after.state, after.last_status) == ("delivered", 204)


def test_a_refused_target_is_a_failure_with_words():
    delivery = DeliveryFactory(endpoint__url="https://10.0.0.1/")
    assert services.deliver_event(delivery_id=delivery.pk) is False
    assert fresh(delivery).last_error == "This address is not on the open internet."


def test_a_failure_on_our_side_is_written_down_and_the_log_says_where(monkeypatch, caplog):
    def out_of_time(*_address, **_more):
        raise SoftTimeLimitExceeded

    with receiver() as server:
        delivery = queued(server)
        monkeypatch.setattr(socket, "create_connection", out_of_time)
        assert services.deliver_event(delivery_id=delivery.pk) is False
    assert fresh(delivery).last_error == "Failed here: SoftTimeLimitExceeded."
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


# --- Reconciling ------------------------------------------------------------------------------


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
    assert fresh(off).state == "given_up"
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


# --- Managing ---------------------------------------------------------------------------------


def outcome(act, **arguments):
    try:
        with transaction.atomic():
            act(**arguments)
    except DomainError as error:
        return error.code
    return "done"


def people_of(organization):
    return {
        "owner": MembershipFactory(organization=organization).user,
        "technical": MembershipFactory(organization=organization, role="technical_contact").user,
        "member": MembershipFactory(organization=organization, role="member").user,
        "suspended": MembershipFactory(
            organization=organization,
            user__suspended_at=timezone.now(),
            user__suspended_by=UserFactory(),
        ).user,
        "stranger": MembershipFactory().user,
    }


ALLOWED = {
    "owner": "done",
    "technical": "done",
    "member": "not_technical",
    "suspended": "account_suspended",
    "stranger": "not_technical",
}


def test_who_may_do_what_with_endpoints():
    endpoint = EndpointFactory()
    dead = DeliveryFactory(endpoint=endpoint, dead_at=timezone.now())
    new = {"organization_id": endpoint.organization_id, "url": "https://new.example.org/"}
    acts = [
        (services.add_endpoint, new),
        (services.send_ping, {"endpoint_id": endpoint.pk}),
        (services.resend_delivery, {"delivery_id": dead.pk}),
        (services.switch_off_endpoint, {"endpoint_id": endpoint.pk}),
        (services.remove_endpoint, {"endpoint_id": endpoint.pk}),
    ]
    people = people_of(endpoint.organization)
    for act, arguments in acts:
        found = {}
        for name, by in people.items():
            point = transaction.savepoint()
            found[name] = outcome(act, by=by, **arguments)
            transaction.savepoint_rollback(point)
        assert found == ALLOWED, act.__name__


def test_states_refuse_what_makes_no_sense():
    endpoint = EndpointFactory()
    by, pk = endpoint.created_by, endpoint.pk
    staff = UserFactory(is_staff=True, permissions=["webhooks.disable_endpoint"])
    waiting = DeliveryFactory(endpoint=endpoint)
    steps = [
        outcome(services.switch_on_endpoint, endpoint_id=pk, by=by),
        outcome(services.resend_delivery, delivery_id=waiting.pk, by=by),
        outcome(services.switch_off_endpoint, endpoint_id=pk, by=by),
        outcome(services.switch_off_endpoint, endpoint_id=pk, by=by),
        outcome(services.send_ping, endpoint_id=pk, by=by),
        outcome(services.resend_delivery, delivery_id=waiting.pk, by=by),
        outcome(services.switch_on_endpoint, endpoint_id=pk, by=by),
        outcome(services.resend_delivery, delivery_id=waiting.pk, by=by),
        outcome(services.disable_endpoint, endpoint_id=pk, by=by),
        outcome(services.disable_endpoint, endpoint_id=pk, by=staff),
        outcome(services.disable_endpoint, endpoint_id=pk, by=staff),
        outcome(services.switch_on_endpoint, endpoint_id=pk, by=by),
    ]
    assert steps == [
        *("already_on", "not_dead", "done", "already_off", "endpoint_off", "endpoint_off"),
        *("done", "done", "no_permission", "done", "already_off", "off_by_staff"),
    ]
    kinds = [event.kind for event in timeline(endpoint.organization.ref)]
    assert sorted(kinds) == sorted(
        [
            *("webhook.switched_off", "webhook.switched_on"),
            *("webhook.resent", "webhook.switched_off"),
        ]
    )


def test_what_is_resent_keeps_its_id_and_gets_three_days():
    endpoint = EndpointFactory()
    past = timezone.now() - timedelta(days=4)
    dead = DeliveryFactory(
        endpoint=endpoint, dead_at=past, give_up_at=past, attempts=9, tried=9, next_attempt_at=past
    )
    before = timezone.now()
    services.resend_delivery(delivery_id=dead.pk, by=endpoint.created_by)
    again = fresh(dead)
    assert (again.ref, again.state, again.attempts, again.tried) == (dead.ref, "waiting", 9, 0)
    assert again.next_attempt_at >= before
    assert again.give_up_at - again.next_attempt_at == timedelta(days=3)


def test_what_cannot_be_registered():
    endpoint = EndpointFactory()
    by, of = endpoint.created_by, endpoint.organization
    add = services.add_endpoint
    found = [
        outcome(add, organization_id=of.pk, url=url, by=by)
        for url in (endpoint.url, "https://10.0.0.1/", "nonsense")
    ]
    found += [
        outcome(add, organization_id=of.pk, url=f"https://n{number}.example.org/", by=by)
        for number in range(4)
    ]
    found.append(outcome(add, organization_id=of.pk, url="https://n9.example.org/", by=by))
    of.suspended_at, of.suspended_by = timezone.now(), UserFactory()
    of.save()
    found.append(outcome(add, organization_id=of.pk, url="https://n9.example.org/", by=by))
    assert found == [
        *("address_taken", "address_refused", "address_refused"),
        *(["done"] * 4),
        *("too_many_endpoints", "organization_suspended"),
    ]
