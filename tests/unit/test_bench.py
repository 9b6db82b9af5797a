"""The bench writes rows by hand: they are rows the portal itself can work with."""

import pytest
from django.db import transaction

from bench import incidents, rounds, sizes
from bench import seed as seeding
from portal.applications.services.moving import lock_application
from portal.audit.services import System
from portal.credentials.models import Credential
from portal.credentials.services import issue_credential, open_grant
from portal.credentials.verification import verify
from portal.gateway.authentication import authenticate
from portal.programs.models import Capability
from tests.factories.gateway import basic

pytestmark = pytest.mark.django_db(transaction=True)
BENCH = System("bench")


@pytest.fixture
def seeded(tmp_path):
    return seeding.seed(100, tmp_path)


def test_every_key_of_the_bench_works_at_its_gateway(seeded):
    client_id, secret, path = seeded
    caller = authenticate(basic(client_id, secret))
    tokens = path.read_text().split()
    assert len(set(tokens)) == Credential.objects.count() == 100
    for token in tokens:
        assert verify(token, audience=caller.audience, scope=seeding.SCOPE).verdict.allowed


@pytest.mark.parametrize("tier", ["standard", "critical"])
def test_a_case_is_confirmed_by_two_where_it_takes_two_and_kills_what_worked(seeded, tier):
    Capability.objects.update(tier=tier)
    people = seeding.two_responders()
    case = incidents.preview(people[0])
    incidents.must_be_alive(case)
    with pytest.raises(SystemExit):
        incidents.must_be_dead(case)
    incidents.confirm(case, *people)
    incidents.must_be_dead(case)
    with pytest.raises(SystemExit):
        incidents.must_be_alive(case)
    case.refresh_from_db()
    by_two = (people[0], people[1]) if tier == "critical" else (None, people[0])
    assert (case.count, case.asked_by, case.confirmed_by) == (100, *by_two)


def test_workers_can_take_up_what_it_leaves_to_them(seeded):
    slots = seeding.opened(2)
    with transaction.atomic():
        waiting = [lock_application(pk) for pk in seeding.approved(2)]
        new = [open_grant(application=each, by=BENCH).pk for each in waiting]
    for grant in [*slots, *new]:
        issue_credential(grant_id=grant, by=BENCH)
    ready = Credential.objects.filter(grant__in=[*slots, *new])
    assert list(ready.values_list("status", flat=True)) == ["ready"] * 4


def test_what_is_measured_is_named_by_its_size():
    assert [sizes.named(count) for count in (200, 10_000, 1_000_000)] == ["200", "10k", "1m"]


def test_fewer_keys_make_everything_smaller(monkeypatch):
    monkeypatch.setattr(sizes, "KEYS", 2_000)
    assert [sizes.scaled(full) for full in (1_000_000, 10_000, 4)] == [20_000, 200, 1]


def test_a_rate_tells_how_long_the_slowest_took():
    found = rounds.rates("x", 100, [2.0, 1.0, 4.0], [1.0], each=[n / 1000 for n in range(1, 101)])
    assert found == {"measure": "x", "ours": 50.0, "floor": 100, "ratio": 0.5, "p99_ms": 99.0}
