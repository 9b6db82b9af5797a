"""What must hold after any fault: whatever was killed, lost, doubled or late."""

from collections import Counter

from django.db.models import Count, F, Q

from portal.applications.lifecycle import EVENT
from portal.audit.models import Event
from portal.credentials.lifecycle import CREDENTIAL_EVENT, GRANT_EVENT, LIVE
from portal.credentials.models import Credential, Grant
from portal.credentials.selectors import places_taken, unfinished_work
from portal.credentials.verification import explain_many
from portal.programs.models import RolloutPhase

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


def assert_all_in_order():
    """No access after revocation; one slot a grant; one event a change; no place too many."""
    _no_access_after_revocation()
    _one_slot_a_grant()
    _one_event_a_change()
    _no_more_than_was_asked_and_allowed()


def assert_nothing_unfinished():
    """Workers owe nothing, and have given up on nothing."""
    count, _oldest, dead = unfinished_work()
    activating = Grant.objects.filter(status="activating").count()
    assert (count, dead, activating) == (0, 0, 0)


def _no_access_after_revocation():
    dead = Credential.objects.exclude(status="active").values_list("kid", flat=True)
    assert [kid for kid, said in explain_many(dead).items() if said] == []


def _one_slot_a_grant():
    crowded = Grant.objects.annotate(
        waiting=Count("credentials", filter=Q(credentials__status__in=["requested", "ready"])),
        live=Count("credentials", filter=Q(credentials__status__in=LIVE)),
    ).filter(Q(waiting__gt=1) | Q(live__gt=2))
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


def _no_more_than_was_asked_and_allowed():
    assert [p for p in RolloutPhase.objects.all() if places_taken(p) > p.capacity] == []
    wider = Credential.objects.exclude(scopes__contained_by=F("grant__scopes"))
    more = Grant.objects.exclude(scopes__contained_by=F("application__scopes"))
    assert (list(wider), list(more)) == ([], [])
    for grant in Grant.objects.select_related("phase"):
        ceiling = set(grant.phase.capabilities.values_list("scope", flat=True))
        assert set(grant.scopes) <= ceiling
