"""What must hold after any fault: whatever was killed, lost, doubled or late."""

from collections import Counter

import pytest
from django.db.models import Count, F, Q

from portal.applications.lifecycle import EVENT
from portal.audit.models import Event
from portal.credentials.enums import KeyKind
from portal.credentials.lifecycle import CREDENTIAL_EVENT, GRANT_EVENT, LIVE
from portal.credentials.models import Credential, Grant, Revocation
from portal.credentials.selectors import places_taken, unfinished_by_kind
from portal.credentials.tasks import finish_revocation, issue_credential
from portal.credentials.verification import explain_many
from portal.programs.models import RolloutPhase
from tests.journeys import stores

# A state is entered once, except where the machine has a way round to it.
_AGAIN = {
    EVENT["submitted"],
    EVENT["in_review"],
    EVENT["changes_requested"],
    EVENT["waitlisted"],
    EVENT["approved"],
    GRANT_EVENT["activating"],
    GRANT_EVENT["active"],
    GRANT_EVENT["suspended"],
}
_ONCE = {*EVENT.values(), *GRANT_EVENT.values(), *CREDENTIAL_EVENT.values()} - _AGAIN


@pytest.fixture
def standing_oracle(transactional_db, request):
    """Ask after the test, when its worker has ended, and before its rows are gone."""
    yield
    if "worker" not in request.fixturenames:
        finish_what_is_owed()
    assert_all_in_order()
    assert_nothing_unfinished()
    assert_no_key_in_any_store()


def finish_what_is_owed():
    """What a worker would do, in this process, for a test that has none."""
    owed = Q(status="activating") | Q(credentials__status="requested")
    for grant_id in set(Grant.objects.filter(owed).values_list("pk", flat=True)):
        issue_credential(grant_id)
    for case_id in Revocation.objects.filter(status="running").values_list("pk", flat=True):
        finish_revocation(case_id)


def assert_all_in_order():
    """No access after revocation; one slot a grant; one event a change; no place too many."""
    _no_access_after_revocation()
    _one_slot_a_grant()
    _one_event_a_change()
    _no_more_than_was_asked_and_allowed()
    _a_new_key_is_no_more_than_the_old()


def assert_nothing_unfinished():
    """Workers owe nothing, and have given up on nothing."""
    owed = unfinished_by_kind()
    left = {kind: (rows.waiting, rows.dead) for kind, rows in owed.items()}
    assert left == dict.fromkeys(owed, (0, 0))
    assert not Grant.objects.filter(status="activating").exists()


def assert_no_key_in_any_store():
    """Nothing that looks like a whole key stands in rows, in the broker or on disk."""
    kept = {
        "PostgreSQL": stores.database(),
        "broker": stores.broker(),
        "files": stores.files(),
    }
    found = {name: stores.finds_a_key(held) for name, held in kept.items()}
    assert found == dict.fromkeys(kept)


def _no_access_after_revocation():
    dead = Credential.objects.exclude(status="active").values_list("kid", flat=True)
    assert [kid for kid, said in explain_many(dead).items() if said] == []


def _one_slot_a_grant():
    live = Q(credentials__status__in=LIVE)
    crowded = Grant.objects.annotate(
        waiting=Count("credentials", filter=Q(credentials__status__in=["requested", "ready"])),
        **{
            kind: Count("credentials", filter=Q(credentials__kind=kind) & live)
            for kind in KeyKind.values
        },
    ).filter(Q(waiting__gt=1) | Q(live__gt=2) | Q(test__gt=2))
    assert list(crowded) == []


def _one_event_a_change():
    events = Event.objects.filter(kind__in=_ONCE).values_list("kind", "subject")
    assert [line for line, times in Counter(events).items() if times > 1] == []
    for model, machine, name in (
        (Grant, GRANT_EVENT, "ref"),
        (Credential, CREDENTIAL_EVENT, "kid"),
    ):
        for status, subject in model.objects.values_list("status", name):
            assert Event.objects.filter(kind=machine[status], subject=subject).exists(), subject


def _a_new_key_is_no_more_than_the_old():
    for new in Credential.objects.exclude(replaces=None).select_related("replaces"):
        old = new.replaces
        assert set(new.scopes) <= set(old.scopes), new
        assert (new.kind, new.grant_id) == (old.kind, old.grant_id), new
    for old in Credential.objects.filter(replaced_by__overlap_started_at__isnull=False):
        assert old.expires_at is not None
        for new in old.replaced_by.exclude(overlap_started_at=None):
            assert old.status == "revoked" or old.expires_at <= new.overlap_started_at + new.overlap


def _no_more_than_was_asked_and_allowed():
    assert [p for p in RolloutPhase.objects.all() if places_taken(p) > p.capacity] == []
    wider = Credential.objects.exclude(scopes__contained_by=F("grant__scopes"))
    more = Grant.objects.exclude(scopes__contained_by=F("application__scopes"))
    assert (list(wider), list(more)) == ([], [])
    for grant in Grant.objects.select_related("phase"):
        ceiling = set(grant.phase.capabilities.values_list("scope", flat=True))
        assert set(grant.scopes) <= ceiling
