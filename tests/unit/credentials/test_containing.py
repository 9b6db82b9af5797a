"""A case of revocation that holds its keys while people decide."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.credentials import services
from portal.credentials.models import Revocation
from portal.credentials.targets import Selector
from portal.credentials.verification import explain
from portal.errors import Gone, NotAllowed
from tests.factories.programs import RolloutPhaseFactory
from tests.factories.stories import WORKER, again, responder
from tests.log import written
from tests.unit.credentials.by_phase import confirm, critical, finish, live, preview

pytestmark = pytest.mark.django_db


def test_contained_keys_are_refused_until_somebody_else_lets_them_go(phase, by):
    keys = live(phase, 2)
    (other,) = live(RolloutPhaseFactory(), 1)
    case = preview(phase, by)
    with written() as log:
        services.contain_revocation(revocation_id=case.pk, by=by)
    assert log == [("revocation.contained", case.ref, case.ref, by.ref)]
    assert [explain(key.kid).code for key in keys] == ["frozen_case"] * 2
    assert explain(other.kid)
    with pytest.raises(NotAllowed) as refused:
        services.cancel_revocation(revocation_id=case.pk, by=by)
    assert refused.value.code == "same_person"
    with written() as log:
        services.cancel_revocation(revocation_id=case.pk, by=(second := responder()))
    assert log == [
        ("revocation.released", case.ref, case.ref, second.ref),
        ("revocation.cancelled", case.ref, case.ref, second.ref),
    ]
    assert [bool(explain(key.kid)) for key in keys] == [True, True]


def test_a_contained_case_can_be_confirmed_for_a_day(phase, by):
    keys = live(phase, 2)
    case = services.contain_revocation(revocation_id=preview(phase, by).pk, by=by)
    assert case.expires_at - case.contained_at == timedelta(days=1)
    confirm(case, by)
    assert [explain(key.kid).code for key in keys] == ["key_revoked"] * 2


def test_no_key_takes_the_place_of_one_that_is_held_or_dead_but_unmarked(phase, by, settings):
    """Neither by rotation nor by asking for another, with every worker stopped."""
    settings.REVOCATION_CHUNK = 1
    first, key = live(phase, 2)
    case = preview(phase, by, selector=Selector(kids=f"{first.kid} {key.kid}"))

    def refusals():
        found = []
        for act in (
            lambda: services.rotate_credential(kid=key.kid, by=key.grant.holder),
            lambda: services.request_credential(grant_id=key.grant_id, by=key.grant.holder),
        ):
            with pytest.raises(NotAllowed) as refused, transaction.atomic():
                act()
            found.append(refused.value.code)
        return found

    services.contain_revocation(revocation_id=case.pk, by=by)
    assert refusals() == ["revoked_by_staff"] * 2
    confirm(case, by)
    assert (again(key).status, explain(key.kid).code) == ("active", "key_revoked")
    assert refusals() == ["revoked_by_staff"] * 2
    finish(case)
    assert refusals() == ["not_rotatable", "revoked_by_staff"]


def test_time_alone_neither_lets_contained_keys_go_nor_closes_their_case(phase, by):
    (key,) = live(phase, 1)
    other = critical(RolloutPhaseFactory())
    held = services.contain_revocation(revocation_id=preview(phase, by).pk, by=by)
    asked = confirm(preview(other.grant.phase, by, selector=Selector(kids=other.kid)), by)
    Revocation.objects.update(expires_at=timezone.now())
    services.close_what_is_over(by=WORKER)
    assert (again(held).status, again(asked).status) == ("previewed", "expired")
    assert explain(key.kid).code == "frozen_case"
    with pytest.raises(Gone):
        confirm(held, by)
    services.cancel_revocation(revocation_id=held.pk, by=responder())
    assert explain(key.kid)


def test_the_database_itself_lets_nobody_let_go_what_they_contained(phase, by):
    live(phase, 1)
    case = services.contain_revocation(revocation_id=preview(phase, by).pk, by=by)
    with pytest.raises(IntegrityError), transaction.atomic():
        Revocation.objects.filter(pk=case.pk).update(released_at=timezone.now(), released_by=by)
