"""A partner with very many people is told in steps; nobody misses a key or hears of it twice."""

from collections import Counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.credentials import services
from portal.credentials.models import RevocationParty
from portal.credentials.services import finishing, telling
from portal.mail.models import OutgoingMail
from portal.webhooks.models import Delivery
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.cases import confirmed_case
from tests.factories.credentials import make_live_key
from tests.factories.stories import WORKER, again, responder
from tests.factories.webhooks import EndpointFactory
from tests.unit.credentials.by_phase import no_mail_to, overdue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _two_holders_a_step(monkeypatch):
    monkeypatch.setattr(telling, "HOLDERS_AT_ONCE", 2)


@pytest.fixture
def a_step_a_task(monkeypatch):
    monkeypatch.setattr(finishing, "WORK_FOR", 0)


@pytest.fixture
def partner():
    return OrganizationFactory()


@pytest.fixture
def contact(partner):
    """Looks after its keys, and holds one."""
    person = UserFactory(email="contact@example.org")
    MembershipFactory(organization=partner, user=person, role="technical_contact")
    return person


@pytest.fixture
def holders():
    return [UserFactory(email=f"holder{number}@example.org") for number in range(5)]


@pytest.fixture
def keys(partner, contact, holders):
    """One each, and a second of the third."""
    return [key(partner, person) for person in (*holders, contact, holders[2])]


def key(partner, person):
    of = {"organization": partner, "applicant": person}
    return make_live_key(**{f"grant__application__{name}": it for name, it in of.items()})[0]


def finish(case):
    return services.finish_revocation(revocation_id=case.pk, by=WORKER)


def mails():
    return list(OutgoingMail.objects.order_by("pk").values_list("to", "context__count"))


def test_who_looks_after_the_keys_first_then_so_many_holders_a_step(partner, keys, a_step_a_task):
    case, told = confirmed_case(responder(), *keys), []
    while again(case).status == "running":
        finish(case)
        told.append(len(mails()))
    assert told == [3, 5, 6]
    assert mails()[0] == ("contact@example.org", 7)
    assert sorted(mails()[1:]) == [
        (f"holder{number}@example.org", 2 if number == 2 else 1) for number in range(5)
    ]
    party = case.parties.get()
    assert (party.status, party.keys, party.mails) == ("done", 7, 6)
    assert set(case.items.values_list("status", flat=True)) == {"done"}


def test_machines_are_told_once_of_every_key(partner, keys, a_step_a_task):
    EndpointFactory(organization=partner)
    case = confirmed_case(responder(), *keys)
    finish(case)
    assert [each.body.count(key.kid) for each in Delivery.objects.all() for key in keys] == [1] * 7
    while again(case).status == "running":
        finish(case)
    assert Delivery.objects.count() == 1


def test_other_partners_have_their_turn_between(partner, keys, a_step_a_task):
    case = confirmed_case(responder(), *keys, key(None, UserFactory(email="alone@example.org")))
    finish(case)
    finish(case)
    assert ("alone@example.org", 1) in mails()
    assert case.parties.get(organization=partner).status == "pending"


def test_a_failure_half_way_tells_nobody_twice(partner, keys, holders):
    case = confirmed_case(responder(), *keys)
    with no_mail_to(holders[3]):
        finish(case)
        party = case.parties.get()
        assert (party.status, party.attempts, party.mails) == ("failed", 1, 3)
        assert not {to for to, _count in mails()} & {holders[2].email, holders[3].email}
    overdue()
    finish(case)
    party.refresh_from_db()
    assert (party.status, party.mails, party.last_error) == ("done", 6, "")
    assert set(Counter(to for to, _count in mails()).values()) == {1}
    assert len(mails()) == 6


def test_who_comes_to_look_after_the_keys_meanwhile_is_told_of_their_own(
    partner, keys, holders, a_step_a_task
):
    case = confirmed_case(responder(), *keys)
    finish(case)
    partner.memberships.filter(user=holders[4]).update(role="owner")
    while again(case).status == "running":
        finish(case)
    assert mails().count((holders[4].email, 1)) == 1


def test_who_looks_after_them_no_more_is_not_told_twice(partner, contact, keys, a_step_a_task):
    case = confirmed_case(responder(), *keys)
    finish(case)
    contact.memberships.all().delete()
    while again(case).status == "running":
        finish(case)
    assert [to for to, _count in mails()].count(contact.email) == 1


def test_holders_add_no_statements(partner, contact, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(telling, "HOLDERS_AT_ONCE", 50)

    def case_of(count):
        return confirmed_case(responder(), *[key(partner, UserFactory()) for _ in range(count)])

    def step_of(case):
        party = RevocationParty.objects.get(pk=finishing._next_party(case.pk, case.fence))
        return lambda: telling.tell_some(case, party)

    few, many = step_of(case_of(2)), step_of(case_of(12))
    with CaptureQueriesContext(connection) as first:
        few()
    with django_assert_num_queries(len(first)):
        many()
