"""A case that holds its keys while another decision is made about them."""

import pytest

from portal.credentials import services
from portal.credentials.case_threads import stopped_for
from portal.credentials.console import standing
from portal.credentials.contained import contained_cases, is_spent
from portal.credentials.targets import Selector, barred_grants
from tests.factories.stories import again, responder
from tests.unit.credentials import by_phase
from tests.unit.credentials.by_phase import confirm, finish, items, live, preview

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(phase, by):
    """Contained, over two keys."""
    live(phase, 2)
    return services.contain_revocation(revocation_id=preview(phase, by).pk, by=by)


def kids(*keys):
    return Selector(kids=" ".join(key.kid for key in keys))


def keys_of(case):
    return [item.credential for item in case.items.select_related("credential__grant__holder")]


def told():
    found = contained_cases()
    return ([each.ref for each in found.waiting], [each.ref for each in found.spent])


@pytest.mark.parametrize("chunk", [0, 1000], ids=["not yet marked", "marked"])
def test_nothing_is_left_to_decide_once_other_cases_have_revoked_every_key(
    held, phase, by, settings, chunk
):
    settings.REVOCATION_CHUNK = chunk
    first, second = keys_of(held)
    confirm(preview(phase, by, selector=kids(first)), by)
    assert (is_spent(held), told()) == (False, ([held.ref], []))
    assert "  Every gateway refuses these keys. They are not revoked." in list(standing(held))
    confirm(preview(phase, by, selector=Selector(phase=phase.ref)), by)
    assert again(second).status == ("revoked" if chunk else "active")
    assert (is_spent(held), told()) == (True, ([], [held.ref]))
    said = "\n".join(standing(held))
    assert "Nothing left to decide; 2 keys" in said
    assert "nothing is left to decide but to close it" in said
    assert "not revoked" not in said


def test_one_that_waits_is_no_decision(held, phase, by):
    preview(phase, by)
    services.contain_revocation(revocation_id=preview(phase, by).pk, by=by)
    assert not is_spent(held)


def test_staff_and_holders_who_revoke_a_key_each(held, by):
    """What its holder revoked the programme may still revoke, too: then no new key follows."""
    first, second = keys_of(held)
    services.revoke_credential(kid=first.kid, reason="incident", by=by)
    services.revoke_credential(kid=second.kid, reason="key_leaked", by=second.grant.holder)
    assert not is_spent(held)


def test_it_is_closed_by_letting_go_or_by_confirming(held, phase, by):
    other = services.contain_revocation(revocation_id=preview(phase, by).pk, by=by)
    finish(confirm(preview(phase, by), by))
    services.cancel_revocation(revocation_id=held.pk, by=responder())
    finish(confirm(other, by))
    assert (again(held).status, again(other).status) == ("cancelled", "completed")
    assert (items(other), other.parties.count()) == (["skipped"] * 2, 0)
    assert told() == ([], [])


def test_a_drill_leaves_something_to_decide_in_earnest(phase, by):
    (test_key,) = live(phase, 1, kind="test")
    drill, earnest = (
        services.contain_revocation(
            revocation_id=preview(phase, by, selector=kids(test_key), rehearsal=rehearsal).pk, by=by
        )
        for rehearsal in (True, False)
    )
    confirm(preview(phase, by, selector=kids(test_key), rehearsal=True), by)
    assert (is_spent(drill), is_spent(earnest)) == (True, False)


@pytest.mark.parametrize("chunk", [1, 1000], ids=["workers mark", "marked at once"])
def test_what_a_drill_was_quicker_with_is_told_by_the_case_in_earnest(phase, by, settings, chunk):
    settings.REVOCATION_CHUNK = chunk
    untouched, drilled = live(phase, 2, kind="test")
    earnest, later = (preview(phase, by, selector=kids(drilled, untouched)) for _ in range(2))
    drill = preview(phase, by, selector=kids(drilled), rehearsal=True)
    finish(confirm(drill, by))
    assert by_phase.told() == []
    for case in (earnest, later):
        finish(confirm(case, by))
    assert by_phase.told() == sorted([drilled.kid, untouched.kid])
    found = (items(drill), items(earnest), items(later))
    assert found == (["done"], ["done"] * 2, ["skipped"] * 2)
    holder, cases = drilled.grant.holder, (drill, earnest, later)
    assert [stopped_for(holder, again(case)).count() for case in cases] == [0, 1, 0]
    assert barred_grants([drilled.grant]) == {drilled.grant_id}


def test_what_its_holder_was_quicker_with_is_told_by_nobody_whatever_was_drilled(phase, by):
    (key,) = live(phase, 1, kind="test")
    earnest = preview(phase, by, selector=kids(key))
    drill = preview(phase, by, selector=kids(key), rehearsal=True)
    services.revoke_credential(kid=key.kid, reason="key_leaked", by=key.grant.holder)
    untold = by_phase.told()
    for case in (drill, earnest):
        finish(confirm(case, by))
    assert (items(drill), items(earnest), by_phase.told()) == (["skipped"], ["skipped"], untold)
