"""Revoking many against whoever is at the same rows: nobody waits for ever, none is told twice."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection, transaction
from django.db.models import F

from portal.audit.models import Event
from portal.credentials.models import Credential
from portal.credentials.services.killing import kill_credentials
from tests.factories import stories
from tests.factories.credentials import GrantFactory, make_live_key
from tests.faults.locks import held, somebody_waits_for_a_lock
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 60


def kill(credentials, by):
    with transaction.atomic():
        return kill_credentials(credentials, reason="misuse", by=by, by_staff=True, case="CASE-1")


def kill_elsewhere(credentials, by):
    """In a thread of its own, which leaves no connection."""
    try:
        return kill(credentials, by)
    finally:
        connection.close()


def told():
    """How often the log tells of each kid."""
    events = Event.objects.filter(kind="credential.revoked")
    return Counter(events.values_list("subject", flat=True))


def test_the_same_keys_by_many_at_once(concurrently):
    grant, responder = GrantFactory(), stories.responder()
    for _ in range(MANY):
        make_live_key(grant=grant)
    everyone = Credential.objects.order_by("-pk")
    some = Credential.objects.filter(pk__in=everyone.values("pk")[: MANY // 2])
    done = concurrently(
        *[partial(kill, each, responder) for each in (everyone, some, everyone, some)]
    )
    assert sorted(pk for ids in done for pk in ids) == sorted(
        Credential.objects.values_list("pk", flat=True)
    )
    assert told() == dict.fromkeys(Credential.objects.values_list("kid", flat=True), 1)


@pytest.mark.parametrize(
    ("change", "killed"),
    [({"name": F("kid")}, True), ({"status": "expired"}, False)],
    ids=["still in use", "over meanwhile"],
)
def test_a_row_that_changes_while_we_wait_for_it(change, killed):
    """What is decided on is the row as it is once it is ours, no change of it is lost, and those
    beside it die whatever became of it.
    """
    before, credential, after = (make_live_key()[0] for _ in range(3))
    responder = stories.responder()
    rows = Credential.objects.filter(pk=credential.pk)
    with ThreadPoolExecutor(1) as pool:
        with held(lambda: rows.update(**change)):
            killing = pool.submit(kill_elsewhere, Credential.objects.all(), responder)
            until(somebody_waits_for_a_lock)
            assert told() == {}
        ids = killing.result(20)
    now = stories.again(credential)
    dead = [before, credential, after] if killed else [before, after]
    assert ids == [each.pk for each in dead]
    assert {stories.again(each).status for each in (before, after)} == {"revoked"}
    assert (now.status, now.name) == (
        ("revoked", now.kid) if killed else ("expired", credential.name)
    )
    assert told() == {each.kid: 1 for each in dead}
