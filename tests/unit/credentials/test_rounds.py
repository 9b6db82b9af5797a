"""Workers ask the doors about a large case page by page: killed anywhere, the next goes on."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.credentials import proof, services
from portal.credentials.models import RevocationRound
from portal.credentials.services import leasing, proving
from portal.gateway.services import disable_gateway
from tests.factories.accounts import UserFactory
from tests.factories.cases import confirmed_case
from tests.factories.credentials import make_live_key
from tests.factories.gateway import make_gateway
from tests.factories.programs import RolloutPhaseFactory
from tests.factories.stories import WORKER
from tests.log import events_about

pytestmark = pytest.mark.django_db
KEYS = 5


@pytest.fixture(autouse=True)
def _two_a_page(monkeypatch):
    monkeypatch.setattr(proving, "ASK_AT_ONCE", 2)


@pytest.fixture
def a_page_a_task(monkeypatch):
    monkeypatch.setattr(proving, "WORK_FOR", 0)


@pytest.fixture
def case(by, phase):
    make_gateway(phase.release, "Front")
    make_gateway(phase.release, "Back")
    made = [make_live_key(grant__application__phase=phase)[0] for _ in range(KEYS)]
    return confirmed_case(by, *made)


def prove(case, by=WORKER):
    return services.prove_revocation(revocation_id=case.pk, by=by)


def numbers(case):
    return list(case.proofs.order_by("name").values_list("name", "asked", "refused"))


def test_each_task_asks_some_and_the_last_one_keeps_all(case, a_page_a_task):
    asked = []
    while not prove(case):
        asked.append(RevocationRound.objects.get().kinds[0]["asked"])
    assert asked == [2, 4, 5]
    assert numbers(case) == [("Back", 5, 5), ("Front", 5, 5)]
    assert [each.kind for each in events_about(case.ref)].count("revocation.proved") == 1
    assert not RevocationRound.objects.exists()


def test_a_worker_that_is_killed_is_followed_by_one_that_goes_on(case, a_page_a_task):
    prove(case)
    held = RevocationRound.objects.get()
    fence = leasing.take_lease(RevocationRound, held.pk)
    assert proving._ask_some(case, held.pk, fence)  # and there it dies, with the lease
    assert (prove(case), proof.unproved_revocations()) == ([], [])
    assert RevocationRound.objects.get().last_item == case.items.order_by("pk")[3].pk

    RevocationRound.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert proof.unproved_revocations() == [case.pk]
    assert prove(case) == []
    with pytest.raises(leasing.LeaseLostError):  # it was not dead: what it writes is refused
        proving._ask_some(case, held.pk, fence)
    prove(case)
    assert numbers(case) == [("Back", 5, 5), ("Front", 5, 5)]


def test_a_person_who_asks_meanwhile_has_the_answers_of_now(case, by, a_page_a_task):
    prove(case)
    assert len(prove(case, by)) == 2
    assert (prove(case), proof.unproved_revocations()) == ([], [])
    assert numbers(case) == [("Back", 5, 5), ("Front", 5, 5)]
    assert not RevocationRound.objects.exists()


def test_doors_that_come_and_go_meanwhile_have_no_answer(case, phase, a_page_a_task):
    prove(case)
    make_gateway(RolloutPhaseFactory().release, "Of another model")
    front = phase.release.gateways.get(name="Front")
    staff = UserFactory(is_staff=True, permissions=["gateway.manage_gateways"])
    disable_gateway(gateway_id=front.pk, by=staff)
    while not prove(case):
        assert RevocationRound.objects.exists()
    assert numbers(case) == [("Back", 5, 5)]


def test_a_page_costs_as_much_wherever_it_stands(case, a_page_a_task, django_assert_num_queries):
    prove(case)
    with CaptureQueriesContext(connection) as first:
        prove(case)
    with django_assert_num_queries(len(first)):
        prove(case)
