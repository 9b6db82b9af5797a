"""The doors of gateways that judge by themselves: the status list."""

import time
import zlib
from base64 import urlsafe_b64decode
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Membership
from portal.credentials import remembered, services
from portal.gateway import statuslist
from tests.edges.offline import LIST, LISTS, bits, checked, freeze, places
from tests.edges.programs import Key
from tests.factories.accounts import OrganizationFactory, UserFactory, suspend
from tests.factories.cases import confirmed_case, contained_case
from tests.factories.programs import AgreementVersionFactory
from tests.factories.stories import responder
from tests.factories.tokens import unpacked

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _as_just_started(monkeypatch):
    remembered.forget_all()
    monkeypatch.setattr(statuslist, "_kept", None)


@pytest.fixture
def key(client):
    return Key(client, grant__application__organization=OrganizationFactory())


# --- The status list ----------------------------------------------------------------------------


def test_a_token_names_its_place_and_the_list_says_it_is_good(client, key, settings):
    entry = unpacked(key.token())[1]["status"]["status_list"]
    assert entry == {"idx": key.credential.status_index, "uri": f"{settings.BASE_URL}{LIST}"}
    response = client.get(LIST)
    assert (response.status_code, response["Content-Type"]) == (200, "application/statuslist+jwt")
    assert response["Cache-Control"] == "public, max-age=5"
    assert response["Access-Control-Allow-Origin"] == "*"
    claims = checked(client, response.content.decode(), "statuslist+jwt")
    now, packed = claims.pop("iat"), claims.pop("status_list")
    assert abs(time.time() - now) < 5
    assert claims == {
        "iss": settings.BASE_URL,
        "sub": entry["uri"],
        "exp": now + 15,
        "ttl": 5,
    }
    aggregation = f"{settings.BASE_URL}{LISTS}"
    assert packed == {"bits": 1, "lst": packed["lst"], "aggregation_uri": aggregation}
    assert client.get(LISTS).json() == {"status_lists": [entry["uri"]]}
    assert bits(client) == bytes(2**18 // 8)
    assert client.get(f"{LIST}?time=1").status_code == 501


def changed(row, **fields):
    type(row).objects.filter(pk=row.pk).update(**fields)


LEVELS = {
    "key": lambda c: changed(c, status="retired"),
    "key expired": lambda c: changed(c, expires_at=timezone.now()),
    "grant": lambda c: changed(c.grant, status="suspended"),
    "grant over": lambda c: changed(c.grant, ends_at=timezone.now()),
    "grant to come": lambda c: changed(c.grant, starts_at=timezone.now() + timedelta(hours=1)),
    "person suspended": lambda c: suspend(c.grant.holder),
    "person inactive": lambda c: changed(c.grant.holder, is_active=False),
    "organization": lambda c: suspend(c.grant.organization),
    "membership": lambda c: Membership.objects.filter(user=c.grant.holder).delete(),
    "phase": lambda c: changed(c.grant.phase, halted_at=timezone.now(), halted_by=UserFactory()),
    "agreement": lambda c: AgreementVersionFactory(release=c.grant.phase.release),
    "frozen person": lambda c: freeze("person", c.grant.holder.ref),
    "frozen organization": lambda c: freeze("organization", c.grant.organization.ref),
    "frozen phase": lambda c: freeze("phase", c.grant.phase.ref),
    "frozen release": lambda c: freeze("release", c.grant.phase.release.ref),
    "contained": lambda c: contained_case(responder(), c),
    "confirmed": lambda c: confirmed_case(responder(), c),
}


def test_a_case_that_let_its_keys_go_refuses_none(client, key):
    case = contained_case(responder(), key.credential)
    assert places(client) == [key.credential.status_index]
    services.cancel_revocation(revocation_id=case.pk, by=responder())
    remembered.forget_all()
    statuslist._kept = None
    assert places(client) == []


def test_nobody_waits_behind_others_for_longer_than_for_the_database(client, key, monkeypatch):
    monkeypatch.setattr(statuslist, "PATIENCE", 0.05)
    with statuslist._building:
        response = client.get(LIST)
    assert (response.status_code, response["Retry-After"]) == (503, "2")
    assert client.get(LIST).status_code == 200


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_that_denies_is_in_the_list_and_touches_nobody_else(client, key, level):
    Key(client, grant__application__organization=OrganizationFactory())
    assert places(client) == []
    LEVELS[level](key.credential)
    remembered.forget_all()  # time alone, and what is about to begin, leave no epoch
    assert places(client) == [key.credential.status_index]


def test_everything_is_everything(client, key):
    freeze("everything")
    assert bits(client) == b"\xff" * (2**18 // 8)


def test_what_is_taken_away_is_in_the_very_next_list(client, key):
    assert places(client) == []
    changed(key.credential, status="retired")
    assert places(client) == [key.credential.status_index]


def test_a_list_is_kept_until_something_is_taken_away_or_five_seconds_are_over(
    client, key, monkeypatch
):
    changed(key.credential.grant, status="suspended")
    assert [places(client), places(client)] == [[key.credential.status_index]] * 2
    changed(key.credential.grant, status="active")  # which leaves no epoch
    assert places(client) == [key.credential.status_index]
    later = time.monotonic() + statuslist.TTL
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert places(client) == []


def test_nobody_waits_for_a_key_that_was_never_claimed_or_is_long_over(client, key):
    changed(key.credential, status="revoked", revoked_at=timezone.now(), revoked_by=UserFactory())
    changed(key.credential, expires_at=timezone.now() - timedelta(minutes=3))
    assert places(client) == []


def test_every_key_has_a_place_of_its_own_within_the_list():
    """Given by the database a thousand at once, and in no order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_status_index() FROM generate_series(1, 2000)")
        given = [row[0] for row in cursor.fetchall()]
        assert len(set(given)) == 2000
        assert (min(given) >= 0, max(given) < 2**18) == (True, True)
        assert max(given) - min(given) > 2**17
        assert given != sorted(given)
        cursor.execute("SELECT setval('credentials_status_index', %s)", [2**18])
        cursor.execute("SELECT portal_status_index() FROM generate_series(1, 100)")
        second = {row[0] for row in cursor.fetchall()}
    assert {index >> 18 for index in second} == {1}
    assert len(second) == 100
    assert len(zlib.decompress(urlsafe_b64decode(statuslist._build() + "=="))) == 2**18 // 4
