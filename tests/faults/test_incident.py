"""A case whose workers die at each step, or whose broker goes: dead from the confirming on, and
everybody told once.
"""

import pytest

from portal.credentials.models import Credential
from portal.credentials.services import revoke_credential
from portal.credentials.tasks import reconcile
from tests.factories import stories
from tests.faults.incidents import (
    a_minute_later,
    assert_all_told_once,
    codes,
    confirm,
    keys_of,
    preview,
    until_completed,
)
from tests.faults.locks import held, somebody_waits_for_a_lock
from tests.faults.test_workers import broker, until_reconciled  # noqa: F401 - a fixture
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chunk(settings, monkeypatch):
    """For us, and for the worker, which is a process of its own."""
    settings.REVOCATION_CHUNK = 2
    monkeypatch.setenv("REVOCATION_CHUNK", "2")


def confirmed(count):
    """A case of so many keys, of which the first two are marked."""
    phase = stories.open_phase()
    made = keys_of(phase, count)
    by = stories.responder()
    case = preview(phase, by)
    confirm(case, by)
    assert marked(case) == 2
    return case, made


def marked(case):
    return case.items.exclude(status="frozen").count()


def row_of(pk):
    """Lock a key's row, so that whoever means to write on it stands still."""
    return lambda: Credential.objects.select_for_update().get(pk=pk)


def stand_still(case, worker, at):
    """Start a worker, let it come as far as this key, and kill it there."""
    with held(row_of(at)):
        a_minute_later()
        worker.start()
        reconcile.delay()
        until(somebody_waits_for_a_lock)
        worker.kill()


def test_a_worker_killed_in_every_chunk_leaves_each_key_dead_and_each_told_once(chunk, worker):
    case, made = confirmed(7)
    keys = sorted(key.pk for key, _token in made)
    for number, last_of_chunk in enumerate((keys[3], keys[5], keys[6]), 1):
        stand_still(case, worker, at=last_of_chunk)
        assert marked(case) == 2 * number  # of its own chunk it has marked none
        assert codes(made) == {"key_revoked": 7}
    worker.start()
    until_completed(case)
    assert marked(case) == 7
    assert_all_told_once(case, made, partners=7)


def test_a_worker_killed_while_it_tells_each_partner_tells_it_once(chunk, worker):
    case, made = confirmed(3)
    for told in range(3):
        party = case.items.filter(status__in=["frozen", "pending"]).order_by("pk")
        waiting = party.select_for_update().filter(pk=party.last().pk)
        with held(lambda rows=waiting: len(rows)):
            a_minute_later()
            worker.start()
            reconcile.delay()
            until(somebody_waits_for_a_lock)
            worker.kill()
        assert case.items.filter(status="done").count() <= 2, told
        assert codes(made) == {"key_revoked": 3}
    worker.start()
    until_completed(case)
    assert_all_told_once(case, made, partners=3)


def test_a_broker_lost_midway_costs_nothing_but_time(chunk, broker, worker):  # noqa: F811
    case, made = confirmed(6)
    last = max(key.pk for key, _token in made)
    with held(row_of(last)):
        worker.start()
        until(lambda: marked(case) == 4)
        until(somebody_waits_for_a_lock)
        broker.stop()
        assert codes(made) == {"key_revoked": 6}
    broker.start()
    until_reconciled(lambda: a_minute_later() or stories.again(case).status == "completed")
    assert_all_told_once(case, made, partners=6)


def test_keys_that_died_in_between_are_passed_over_and_the_count_is_exact(chunk, worker):
    """A holder, and a colleague, were quicker with two of them."""
    phase, by = stories.open_phase(), stories.responder()
    made = keys_of(phase, 5)
    case = preview(phase, by)
    (own, _), (other, _) = made[2:4]
    revoke_credential(kid=own.kid, reason="key_leaked", by=own.grant.holder)
    revoke_credential(kid=other.kid, reason="misuse", by=stories.responder())
    confirm(case, by)
    worker.start()
    until_completed(case)
    counts = {name: case.items.filter(status=name).count() for name in ("done", "skipped")}
    assert counts == {"done": 3, "skipped": 2}
    assert codes(made) == {"key_revoked": 5}
