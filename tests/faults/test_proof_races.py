"""Proof asked for many times at once is one round, and what is asked never holds the case up."""

from functools import partial

import pytest

from portal.audit.models import Event
from portal.credentials.services import (
    prove_revocation,
)
from portal.credentials.targets import Selector
from tests.factories import stories
from tests.factories.cases import confirmed_case
from tests.factories.gateway import make_gateway

pytestmark = pytest.mark.django_db(transaction=True)


def confirmed():
    slot, _ = stories.claimed()
    by = stories.responder()
    make_gateway(slot.grant.phase.release)
    selector = Selector(person=slot.grant.holder.ref)
    return confirmed_case(by, selector=selector, reason="key_leaked")


def test_ten_deliveries_at_once_are_one_round(concurrently):
    case = confirmed()
    prove = partial(prove_revocation, revocation_id=case.pk, by=stories.WORKER)
    rounds = concurrently(*[prove] * 10)
    assert sorted(len(rows) for rows in rounds) == [0] * 9 + [1]
    assert case.proofs.count() == 1
    assert Event.objects.filter(kind="revocation.proved").count() == 1
