"""What is no key costs nothing at the doors of gateways, and what may be one is taken seriously."""

import pytest
from django.utils import timezone

from portal.credentials import remembered, secrets
from portal.gateway import views
from tests.edges.doors import Key
from tests.factories.accounts import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(client):
    return Key(client)


def disable(gateway):
    gateway.disabled_at, gateway.disabled_by = timezone.now(), UserFactory()
    gateway.save()


def test_junk_costs_the_database_nothing(key, django_assert_num_queries):
    """Not even whether the gateway that asks about it is one still: known for a while it may be."""
    remembered.forget_all()
    assert key.introspect("junk").status_code == 200  # as a process begins
    with django_assert_num_queries(0):
        for junk in ("junk", key.token[:-1] + "_", key.token + "0"):
            assert key.introspect(junk).json() == {"active": False}
            assert key.authorize(junk).status_code == 401
        assert key.authorize(Authorization=None).status_code == 401


def test_a_gateway_no_longer_one_hears_nothing_of_a_key_and_of_junk_for_seconds(key, monkeypatch):
    assert key.introspect().json()["active"]
    disable(key.gateway)
    assert key.introspect("junk").status_code == 200
    monkeypatch.setattr(views, "KNOWN_FOR", 0.0)  # as if they had passed
    assert [ask("junk").status_code for ask in (key.introspect, key.authorize)] == [401, 401]
    monkeypatch.undo()
    assert [ask().status_code for ask in (key.introspect, key.authorize)] == [401, 401]


@pytest.mark.parametrize("door", [Key.introspect, Key.authorize])
@pytest.mark.parametrize("presented", ["key", "unknown", "token"])
def test_whatever_may_be_a_key_has_its_gateway_asked_about_now(key, door, presented):
    assert key.introspect().json()["active"]
    disable(key.gateway)
    unknown = secrets.mint(secrets.new_kid()).token
    sent = {"key": key.token, "unknown": unknown, "token": "a.b.c"}[presented]
    said = door(key, sent)
    assert (said.status_code, said["WWW-Authenticate"].split()[0]) == (401, "Basic")
