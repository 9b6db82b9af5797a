"""What staff are told of worker, beat and broker, and what to do."""

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials.enums import CredentialStatus, GrantStatus
from portal.mail.models import OutgoingMail
from portal.models import Heartbeat
from portal.reviews import machinery
from tests.factories.credentials import CredentialFactory, GrantFactory

pytestmark = pytest.mark.django_db

MAIL = {"to": "a@example.org", "template": "a/b"}


@pytest.fixture
def alive():
    """Workers and beat, seen a moment ago; alive(worker=90) was seen that many seconds ago."""

    def seen(**seconds):
        for name, ago in ({"worker": 3, "mail_worker": 3, "beat": 3} | seconds).items():
            moment = timezone.now() - timedelta(seconds=ago)
            Heartbeat.objects.update_or_create(name=name, defaults={"seen_at": moment})

    seen()
    return seen


@pytest.fixture
def no_broker(settings):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings.REDIS_URL = f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
    # Nobody listens there by now.


def facts():
    return dict(machinery.facts_and_advice()[0])


def advice():
    return machinery.facts_and_advice()[1]


def owe(seconds):
    long_ago = timezone.now() - timedelta(seconds=seconds)
    CredentialFactory(
        status=CredentialStatus.REQUESTED,
        ready_at=None,
        requested_at=long_ago,
        grant__status=GrantStatus.ACTIVATING,
        grant__next_attempt_at=long_ago,
    )


def test_on_a_good_day_there_is_nothing_to_do(alive):
    found, to_do = machinery.facts_and_advice()
    assert to_do == []
    told = dict(found)
    for name in ("A worker last finished something", "A mail worker last finished something"):
        assert told.pop(name) in {"3 s ago", "4 s ago"}
    assert told.pop("Beat last rang and was heard") in {"3 s ago", "4 s ago"}
    assert told == {
        "Rows and mails still owed": "0",
        "Oldest has waited": "Nothing waits",
        "Given up on, for people to look at": "0",
        "Broker": "Answers",
    }


def test_what_waits_is_told_with_its_age(alive):
    OutgoingMail.objects.create(queued_at=timezone.now() - timedelta(seconds=40), **MAIL)
    OutgoingMail.objects.create(queued_at=timezone.now() - timedelta(hours=7), **MAIL)
    assert facts()["Rows and mails still owed"] == "2"
    assert facts()["Oldest has waited"] == "7 hours"


@pytest.mark.parametrize(("ago", "silent"), [(100, False), (130, True)])
def test_a_worker_that_is_silent_for_two_minutes_is_to_be_started(alive, ago, silent):
    alive(worker=ago)
    assert advice() == ([machinery.NO_WORKER] if silent else [])


def test_where_no_worker_ever_was_one_is_to_be_started():
    assert facts()["A worker last finished something"] == "Never"
    assert advice() == [machinery.NO_WORKER, machinery.NO_MAIL_WORKER]


def test_a_worker_for_mails_that_is_missing_is_named(alive):
    alive(mail_worker=130)
    OutgoingMail.objects.create(queued_at=timezone.now() - timedelta(hours=7), **MAIL)
    (told,) = advice()
    assert "celery -A portal worker --queues mail" in told


def test_a_worker_that_works_without_beat_wants_beat(alive):
    alive(beat=200)
    assert advice() == [machinery.NO_BEAT]


def test_without_the_broker_nobody_is_told_to_start_what_cannot_work(alive, no_broker):
    alive(worker=500, mail_worker=500, beat=500)
    assert facts()["Broker"] == "Does not answer"
    assert advice() == [machinery.NO_BROKER]


@pytest.mark.parametrize(("due", "late"), [(50, False), (70, True)])
def test_work_that_nobody_takes_up_is_noticed_though_all_are_there(alive, due, late):
    owe(due)
    assert advice() == ([machinery.LATE_WORK] if late else [])


def test_what_was_given_up_is_told_beside_whatever_else_is_wrong(alive):
    alive(worker=500)
    GrantFactory(status=GrantStatus.ACTIVATION_FAILED)
    OutgoingMail.objects.create(dead_at=timezone.now(), **MAIL)
    assert facts()["Given up on, for people to look at"] == "2"
    assert advice() == [machinery.NO_WORKER, machinery.GIVEN_UP]
