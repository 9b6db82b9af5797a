"""That nothing is left to decide of a contained case: found once, then known at no cost."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.credentials import contained as contained_module
from portal.credentials import services, tasks
from portal.credentials.contained import contained_cases, is_spent
from portal.credentials.enums import CredentialStatus
from portal.credentials.lifecycle import CREDENTIAL_TRANSITIONS, LIVE
from tests.factories.programs import RolloutPhaseFactory
from tests.factories.stories import again, responder
from tests.unit.credentials.by_phase import confirm, live, preview

pytestmark = pytest.mark.django_db


def contained(by, keys):
    phase = RolloutPhaseFactory()
    live(phase, keys)
    return services.contain_revocation(revocation_id=preview(phase, by).pk, by=by), phase


def told():
    found = contained_cases()
    return ([each.pk for each in found.waiting], [each.pk for each in found.spent])


def keys_looked_at():
    """How many keys of cases PostgreSQL reads for what every staff page tells."""
    with CaptureQueriesContext(connection) as captured:
        contained_cases()
    _any, asked = captured.captured_queries
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked['sql']}")
        plan = cursor.fetchone()[0][0]["Plan"]
    return sum(_rows(plan, {"credentials_revocationitem", "credentials_credential"}))


def _rows(node, tables):
    if node.get("Relation Name") in tables:
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        yield read * node["Actual Loops"]
    for each in node.get("Plans", ()):
        yield from _rows(each, tables)


@pytest.mark.parametrize("keys", [2, 20])
def test_what_every_staff_page_tells_costs_the_same_however_many_keys_a_spent_case_has(by, keys):
    case, phase = contained(by, keys)
    confirm(preview(phase, by), by)
    assert keys_looked_at() >= keys
    assert told() == ([], [case.pk])
    tasks.reconcile()
    assert keys_looked_at() == 0
    assert told() == ([], [case.pk])


def test_it_is_noted_once_and_of_no_case_with_a_key_that_lives(by):
    case, _phase = contained(by, 2)
    alive, _phase = contained(by, 1)
    first, second = (item.credential for item in case.items.select_related("credential"))
    services.revoke_credential(kid=first.kid, reason="incident", by=by)
    assert services.note_spent_cases() == 0
    assert told() == ([case.pk, alive.pk], [])
    services.revoke_credential(kid=second.kid, reason="incident", by=by)
    assert services.note_spent_cases() == 1
    noted = again(case).spent_at
    assert noted
    assert services.note_spent_cases() == 0
    assert (again(case).spent_at, again(alive).spent_at) == (noted, None)
    assert told() == ([alive.pk], [case.pk])


def test_many_that_nobody_closes_hide_none_that_waits(by, monkeypatch):
    monkeypatch.setattr(contained_module, "MOST_CONTAINED", 1)
    spent, _phase = contained(by, 1)
    waiting, _phase = contained(by, 1)
    services.revoke_credential(kid=spent.items.get().credential.kid, reason="incident", by=by)
    assert told() == ([], [spent.pk])
    services.note_spent_cases()
    assert told() == ([waiting.pk], [])


def test_none_that_has_been_decided_is_spent(by):
    case, _phase = contained(by, 1)
    services.revoke_credential(kid=case.items.get().credential.kid, reason="incident", by=by)
    assert services.note_spent_cases() == 1
    services.cancel_revocation(revocation_id=case.pk, by=responder())
    assert (is_spent(again(case)), told()) == (False, ([], []))


def test_no_key_that_is_over_ever_lives_again():
    """What is noted rests on that."""
    over = set(CredentialStatus) - LIVE
    assert {to for status in over for to in CREDENTIAL_TRANSITIONS[status]} == set()
