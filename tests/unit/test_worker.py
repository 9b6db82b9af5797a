"""What surrounds a task; tests/journeys/test_watching.py has it in a real worker."""

import logging

import pytest
from celery import signals
from celery.exceptions import TimeLimitExceeded
from django.db import OperationalError

from portal import heartbeats, worker
from portal.mail.tasks import deliver_queued
from portal.metrics import counted
from portal.request_id import request_id
from portal.tasks import forget

pytestmark = pytest.mark.django_db

GIVEN = "8f14e45f-ceea-467f-a0e6-d5f5d1e1a1b2"


@pytest.fixture(autouse=True)
def _in_a_worker(monkeypatch):
    monkeypatch.setattr(heartbeats, "_written", {})
    worker.install()
    yield
    signals.task_prerun.disconnect(worker._begin)
    signals.task_postrun.disconnect(worker._end)
    signals.task_failure.disconnect(worker._note_killed)


@pytest.fixture
def at_work(monkeypatch):
    """The ids under which the task found itself at work; with `fails` it raises."""
    ids = []

    def look(fails=None):
        ids.append(request_id.get())
        if fails:
            raise fails

    monkeypatch.setattr("portal.tasks.forget_expired", look)
    return ids


def counts(outcome):
    labels = {"task": "portal.forget_expired", "outcome": outcome}
    return counted.COUNTED.get_sample_value("portal_tasks_total", labels) or 0


def seconds():
    labels = {"task": "portal.forget_expired"}
    return counted.COUNTED.get_sample_value("portal_task_seconds_count", labels) or 0


def test_the_id_that_came_with_the_ring_holds_while_the_task_runs(at_work):
    forget.apply(headers={"request_id": GIVEN})
    assert (at_work, request_id.get()) == ([GIVEN], "")


@pytest.mark.parametrize("headers", [{}, {"request_id": "a\nb"}, {"request_id": 7}, None])
def test_a_ring_without_a_believable_id_gets_one_of_its_own(at_work, headers):
    forget.apply(headers=headers)
    forget.apply(headers=headers)
    assert [len(each) for each in at_work] == [36, 36]
    assert at_work[0] != at_work[1]


def test_a_task_is_counted_timed_and_told(caplog, at_work):
    caplog.set_level(logging.INFO)
    before = counts("succeeded"), seconds()
    forget.apply(headers={"request_id": GIVEN})
    assert (counts("succeeded"), seconds()) == (before[0] + 1, before[1] + 1)
    [record] = [each for each in caplog.records if each.name == "portal.worker"]
    assert record.getMessage().startswith("portal.forget_expired succeeded after ")
    assert (record.levelname, record.outcome) == ("INFO", "succeeded")
    assert record.duration_ms >= 0


def test_what_beat_rings_for_again_and_again_is_not_told(caplog, at_work):
    caplog.set_level(logging.INFO)
    forget.apply(headers={"rung_by": "beat"})
    assert [each for each in caplog.records if each.name == "portal.worker"] == []


def test_unless_it_fails(caplog, monkeypatch):
    def broken():
        raise LookupError

    monkeypatch.setattr("portal.tasks.forget_expired", broken)
    before = counts("failed")
    forget.apply(headers={"rung_by": "beat"})
    assert counts("failed") == before + 1
    [record] = [each for each in caplog.records if each.name == "portal.worker"]
    assert (record.levelname, record.outcome) == ("ERROR", "failed")
    assert request_id.get() == ""


def test_a_task_shows_that_its_worker_lives_and_beat_if_beat_rang(at_work):
    forget.apply()
    found = heartbeats.last_seen()
    assert (found["worker"] is not None, found["beat"]) == (True, None)
    forget.apply(headers={"rung_by": "beat"})
    assert heartbeats.last_seen()["beat"] is not None


def test_a_task_of_mails_shows_the_life_of_a_worker_of_mails_alone():
    deliver_queued.apply()
    found = heartbeats.last_seen()
    assert (found["mail_worker"] is not None, found["worker"]) == (True, None)


def test_a_database_that_is_down_costs_the_task_nothing(at_work, caplog, monkeypatch):
    def gone(_name):
        raise OperationalError("gone")

    monkeypatch.setattr(heartbeats, "seen", gone)
    assert forget.apply().successful()
    assert "no sign of life given: OperationalError" in caplog.messages


def test_a_killed_task_is_counted_by_its_parent_and_a_failed_one_only_once(at_work):
    before = counts("killed"), counts("failed")
    for error in (TimeLimitExceeded(30), LookupError()):
        signals.task_failure.send(sender=forget, task_id="1", exception=error)
    assert (counts("killed"), counts("failed")) == (before[0] + 1, before[1])


def test_every_ring_of_beat_says_that_it_is_beat_s(settings):
    said = [each["options"]["headers"] for each in settings.CELERY_BEAT_SCHEDULE.values()]
    assert said == [{"rung_by": "beat"}] * len(settings.CELERY_BEAT_SCHEDULE)
