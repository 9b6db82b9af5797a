from datetime import timedelta

import pytest
from django.utils import timezone

from portal.audit.services import System
from portal.errors import Conflict, NotAllowed
from portal.gateway import services
from portal.gateway.authentication import authenticate
from portal.gateway.models import Gateway
from tests.factories.accounts import UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic
from tests.factories.programs import ModelReleaseFactory
from tests.log import events_about

pytestmark = pytest.mark.django_db

MANAGE = ["gateway.manage_gateways"]


@pytest.fixture
def manager():
    return UserFactory(is_staff=True, permissions=MANAGE)


@pytest.fixture
def release():
    return ModelReleaseFactory()


@pytest.fixture
def registered(manager, release):
    return services.register_gateway(release_id=release.pk, name="Edge", by=manager)


def kinds(gateway):
    return [
        (event.kind, event.actor, event.thread, event.payload)
        for event in events_about(gateway.client_id)
    ]


def test_registering_returns_the_secret_once_and_keeps_a_hash(registered, manager, release):
    gateway, secret = registered
    assert authenticate(basic(gateway.client_id, secret)).audience == release.audience
    stored = Gateway.objects.filter(pk=gateway.pk).values().get()
    assert secret not in repr(stored)
    assert len(bytes(stored["digest"])) == 32
    assert kinds(gateway) == [("gateway.registered", manager.ref, release.ref, {})]


@pytest.mark.parametrize("name", ["Edge", "EDGE"])
def test_two_gateways_cannot_share_a_name(registered, manager, release, name):
    with pytest.raises(Conflict, match="choose another"):
        services.register_gateway(release_id=release.pk, name=name, by=manager)
    assert Gateway.objects.get() == registered[0]


def test_rotating_stops_the_old_secret(registered, manager, release):
    gateway, old = registered
    new = services.rotate_gateway_secret(gateway_id=gateway.pk, by=manager)
    assert authenticate(basic(gateway.client_id, old)) is None
    assert authenticate(basic(gateway.client_id, new)).client_id == gateway.client_id
    assert kinds(gateway)[0] == ("gateway.secret_rotated", manager.ref, release.ref, {})


def test_disabling_is_for_good(registered, manager, release):
    gateway, secret = registered
    services.disable_gateway(gateway_id=gateway.pk, by=manager)
    assert authenticate(basic(gateway.client_id, secret)) is None
    assert kinds(gateway)[0] == ("gateway.disabled", manager.ref, release.ref, {})
    for act in (services.disable_gateway, services.rotate_gateway_secret):
        with pytest.raises(NotAllowed, match="disabled for good"):
            act(gateway_id=gateway.pk, by=manager)
    assert len(kinds(gateway)) == 2


def test_only_those_with_the_permission(registered, release):
    gateway, secret = registered
    nobody = UserFactory(is_staff=True)
    with pytest.raises(NotAllowed):
        services.register_gateway(release_id=release.pk, name="Other", by=nobody)
    for act in (services.disable_gateway, services.rotate_gateway_secret):
        with pytest.raises(NotAllowed):
            act(gateway_id=gateway.pk, by=nobody)
    assert authenticate(basic(gateway.client_id, secret))
    assert Gateway.objects.count() == len(kinds(gateway)) == 1


def test_a_leak_is_noted_once_an_hour(monkeypatch):
    credential, _ = make_live_key()

    def report():
        return services.report_suspected_leak(
            kid=credential.kid, place="query", by=System("gateway")
        )

    assert (report(), report()) == (True, False)
    later = timezone.now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(services.timezone, "now", lambda: later)
    assert report() is True
    events = list(events_about(credential.kid))
    assert [(e.kind, e.actor, e.payload) for e in events] == [
        ("credential.leak_suspected", "system:gateway", {"place": "query"})
    ] * 2
    assert {event.thread for event in events} == {credential.grant.application.ref}


def test_leaks_of_two_keys_are_two_events():
    for credential, _ in (make_live_key(), make_live_key()):
        assert services.report_suspected_leak(
            kid=credential.kid, place="cookie", by=System("gateway")
        )
