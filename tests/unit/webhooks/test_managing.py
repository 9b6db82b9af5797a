"""Endpoints: who may do what with them, and what cannot be registered."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from portal.audit.selectors import timeline
from portal.errors import DomainError
from portal.webhooks import services
from tests.factories.accounts import MembershipFactory, UserFactory
from tests.factories.stories import again
from tests.factories.webhooks import DeliveryFactory, EndpointFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loopback")]


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
    now = again(dead)
    assert (now.ref, now.state, now.attempts, now.tried) == (dead.ref, "waiting", 9, 0)
    assert now.next_attempt_at >= before
    assert now.give_up_at - now.next_attempt_at == timedelta(days=3)


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
