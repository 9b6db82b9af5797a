"""A partner with very many people is told of its new slots in steps, each person once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.credentials.services import claim_credential, slot_making, telling_slots
from portal.mail.models import OutgoingMail
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
from tests.factories.cases import finish_reissue, finished_case, preview_reissue, start_reissue
from tests.factories.credentials import make_live_key
from tests.factories.stories import again, responder
from tests.unit.credentials.by_phase import no_mail_to
from tests.unit.credentials.test_slot_making import overdue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_step_a_task(monkeypatch):
    monkeypatch.setattr(telling_slots, "HOLDERS_AT_ONCE", 2)
    monkeypatch.setattr(slot_making, "WORK_FOR", 0)


@pytest.fixture
def partner():
    """Somebody looks after its keys, and holds one."""
    partner = OrganizationFactory()
    contact = UserFactory(email="contact@example.org")
    MembershipFactory(organization=partner, user=contact, role="technical_contact")
    return partner


@pytest.fixture
def holders(partner):
    return [UserFactory(email=f"holder{number}@example.org") for number in range(5)]


@pytest.fixture
def keys(partner, holders):
    contact = partner.memberships.get().user
    return [key(partner, person) for person in (*holders, contact)]


def key(partner, person):
    of = {"organization": partner, "applicant": person}
    return make_live_key(**{f"grant__application__{name}": it for name, it in of.items()})[0]


def running(*keys):
    """With every slot made, and nobody told of one."""
    by = responder()
    reissue = start_reissue(preview_reissue(finished_case(by, *keys), by), by)
    finish_reissue(reissue)
    assert not mails()
    return reissue


def mails():
    found = OutgoingMail.objects.filter(template="credentials/keys_reissued").order_by("pk")
    return list(found.values_list("to", "context__count"))


def finish(reissue):
    """How many mails were queued after each task."""
    told = []
    while again(reissue).status == "running":
        finish_reissue(reissue)
        told.append(len(mails()))
    return told


def test_who_looks_after_the_keys_first_then_so_many_holders_a_step(keys):
    reissue = running(*keys)
    assert finish(reissue)[:3] == [3, 5, 6]
    assert mails()[0] == ("contact@example.org", 6)
    assert sorted(mails()[1:]) == [(f"holder{number}@example.org", 1) for number in range(5)]
    assert set(reissue.items.values_list("status", flat=True)) == {"told"}
    assert again(reissue).mails == 6


def test_a_failure_half_way_tells_nobody_twice(keys, holders):
    reissue = running(*keys)
    with no_mail_to(holders[3]):
        finish_reissue(reissue)
        finish_reissue(reissue)
    assert sorted(reissue.items.values_list("status", flat=True)) == ["failed"] * 3 + ["told"] * 3
    overdue()
    finish(reissue)
    assert len({to for to, _count in mails()}) == len(mails()) == again(reissue).mails == 6


def test_who_looks_after_them_no_more_is_not_told_twice(partner, keys):
    reissue = running(*keys)
    finish_reissue(reissue)
    partner.memberships.all().delete()
    finish(reissue)
    assert [to for to, _count in mails()].count("contact@example.org") == 1


def test_who_has_claimed_meanwhile_is_not_told(keys, holders):
    reissue = running(*keys)
    finish_reissue(reissue)
    slot = holders[4].grants.get().credentials.get(status="ready")
    claim_credential(kid=slot.kid, by=holders[4])
    finish(reissue)
    assert holders[4].email not in {to for to, _count in mails()}
    assert len(mails()) == 5


def test_holders_add_no_statements(partner, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(telling_slots, "HOLDERS_AT_ONCE", 50)

    def step_of(count):
        reissue = running(*[key(partner, UserFactory()) for _ in range(count)])
        one = slot_making._next_untold(reissue.pk, again(reissue).fence)
        OutgoingMail.objects.all().delete()
        return lambda: telling_slots.tell_some_of_slots(reissue.revocation, one)

    few = step_of(2)
    with CaptureQueriesContext(connection) as first:
        few()
    OutgoingMail.objects.all().delete()
    many = step_of(12)
    with django_assert_num_queries(len(first)):
        many()
