"""Signs of life: written by those who live, and no more often than need be."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal import heartbeats
from portal.models import Heartbeat

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch):
    monkeypatch.setattr(heartbeats, "_written", {})


def test_who_was_never_seen_is_told_as_such():
    assert heartbeats.last_seen() == {"worker": None, "mail_worker": None, "beat": None}


def test_who_is_seen_is_known_from_then_on():
    long_ago = timezone.now() - timedelta(hours=1)
    Heartbeat.objects.create(name="worker", seen_at=long_ago)
    heartbeats.seen("worker")
    found = heartbeats.last_seen()
    assert found["beat"] is None
    assert timezone.now() - found["worker"] < timedelta(seconds=10)


def test_it_is_one_statement_and_none_if_that_was_said_just_now():
    with CaptureQueriesContext(connection) as captured:
        heartbeats.seen("worker")
        heartbeats.seen("worker")
        heartbeats.seen("beat")
    assert len(captured) == 2


def test_what_could_not_be_written_is_tried_again_at_once(monkeypatch):
    def gone(*_rows, **_how):
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr(Heartbeat.objects, "bulk_create", gone)
        with pytest.raises(LookupError):
            heartbeats.seen("worker")
    heartbeats.seen("worker")
    assert heartbeats.last_seen()["worker"] is not None
