"""How things stand is told in a fixed number of statements, and told in time."""

import socket
import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import generate_latest

from portal.credentials.enums import CredentialStatus, FreezeLevel, GrantStatus
from portal.mail.models import OutgoingMail
from portal.metrics import standing
from portal.models import Heartbeat
from tests.factories import stories
from tests.factories.cases import confirmed_case
from tests.factories.credentials import CredentialFactory, GrantFactory, make_live_key
from tests.numbers import number, told

IDLE = {
    ("portal_database_up",): 1,
    ("portal_broker_up",): 1,
    ("portal_live_keys",): 0,
    **{("portal_freezes_in_force", ("level", level)): 0 for level in FreezeLevel.values},
    **{("portal_webhook_deliveries", ("state", each)): 0 for each in ("waiting", "given_up")},
    ("portal_worker_last_seen_seconds",): float("inf"),
    ("portal_mail_worker_last_seen_seconds",): float("inf"),
    ("portal_beat_last_seen_seconds",): float("inf"),
} | {
    (f"portal_{name}", ("kind", kind)): 0
    for name in (
        *("unfinished_rows", "oldest_unfinished_seconds"),
        *("queue_age_seconds", "dead_rows"),
    )
    for kind in ("issue", "revocation", "reissue", "mail", "webhooks")
}


@pytest.fixture
def asked():
    """What is told now."""
    return lambda: generate_latest(standing.Standing()).decode()


@pytest.mark.django_db(transaction=True)
def test_when_nothing_waits(asked):
    assert told(asked()) == IDLE


@pytest.mark.django_db(transaction=True)
def test_what_waits_what_is_late_and_what_was_given_up_by_kind(asked):
    now = timezone.now()
    ago = {minutes: now - timedelta(minutes=minutes) for minutes in (1, 2, 3, 5, 9)}
    grant = GrantFactory(status=GrantStatus.ACTIVATING, next_attempt_at=ago[2])
    CredentialFactory(status="requested", requested_at=ago[5], ready_at=None, grant=grant)
    GrantFactory(status=GrantStatus.ACTIVATION_FAILED)
    Heartbeat.objects.create(name="worker", seen_at=ago[3])
    mail = {"to": "a@example.org", "template": "a/b"}
    OutgoingMail.objects.create(
        queued_at=ago[9], next_attempt_at=now + timedelta(minutes=1), **mail
    )
    OutgoingMail.objects.create(queued_at=ago[3], next_attempt_at=ago[1], **mail)
    OutgoingMail.objects.create(dead_at=now, **mail)
    make_live_key()
    make_live_key(expires_at=now)
    text = asked()
    minutes = {
        (name, kind): number(text, f"portal_{name}_seconds", kind=kind) / 60
        for name in ("oldest_unfinished", "queue_age")
        for kind in ("issue", "revocation", "mail")
    }
    assert minutes == pytest.approx(
        {
            ("oldest_unfinished", "issue"): 5,
            ("queue_age", "issue"): 2,
            ("oldest_unfinished", "mail"): 9,
            ("queue_age", "mail"): 1,
            ("oldest_unfinished", "revocation"): 0,
            ("queue_age", "revocation"): 0,
        },
        abs=0.2,
    )
    rows = {
        kind: (
            number(text, "portal_unfinished_rows", kind=kind),
            number(text, "portal_dead_rows", kind=kind),
        )
        for kind in ("issue", "revocation", "mail")
    }
    assert rows == {"issue": (1, 1), "revocation": (0, 0), "mail": (2, 1)}
    assert number(text, "portal_live_keys") == 1
    assert number(text, "portal_worker_last_seen_seconds") / 60 == pytest.approx(3, abs=0.2)


@pytest.mark.django_db
def test_a_grant_that_begins_later_is_owed_nothing_until_then():
    now = timezone.now()
    long_ago = now - timedelta(days=9)
    slot = CredentialFactory(
        status=CredentialStatus.REQUESTED,
        ready_at=None,
        requested_at=long_ago,
        grant__status=GrantStatus.SCHEDULED,
        grant__starts_at=now + timedelta(hours=1),
        grant__next_attempt_at=long_ago,
    )
    assert standing.owed()["issue"].waiting == 0
    begun = now - timedelta(seconds=40)
    type(slot.grant).objects.filter(pk=slot.grant.pk).update(starts_at=begun)
    issue = standing.owed()["issue"]
    assert (issue.waiting, issue.since, issue.due_since) == (1, begun, begun)


@pytest.mark.django_db
def test_the_holders_of_a_case_are_owed_word_since_it_was_confirmed():
    (key, _token), by = stories.claimed(), stories.responder()
    case = confirmed_case(by, key)
    revocation = standing.owed()["revocation"]
    assert (revocation.waiting, revocation.since) == (1, case.confirmed_at)


@pytest.mark.django_db
def test_it_takes_ten_statements_however_much_there_is():
    def statements():
        with CaptureQueriesContext(connection) as captured:
            for question in standing._QUESTIONS.values():
                question()
        return len(captured)

    empty = statements()
    for _ in range(5):
        make_live_key()
        GrantFactory(status=GrantStatus.ACTIVATION_FAILED)
        OutgoingMail.objects.create(to="a@example.org", template="a/b")
    assert (empty, statements()) == (10, 10)


# --- A database that does not answer ----------------------------------------------------------

DOWN = {("portal_database_up",): 0, ("portal_broker_up",): 1}


@pytest.fixture
def database_at(monkeypatch):
    """Whoever connects from now on connects to this port of ours."""

    def move(port):
        for name, value in (("HOST", "127.0.0.1"), ("PORT", str(port))):
            monkeypatch.setitem(connections.settings["default"], name, value)

    return move


@pytest.mark.django_db
def test_with_the_database_down_that_is_what_is_told(asked, database_at):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    database_at(port)
    assert told(asked()) == DOWN


@pytest.mark.django_db
def test_a_database_that_never_says_a_word_is_told_of_within_five_seconds(asked, database_at):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database_at(silent.getsockname()[1])
        began = time.monotonic()
        assert told(asked()) == DOWN
        assert time.monotonic() - began < 5


@pytest.mark.django_db(transaction=True)
def test_what_is_known_by_then_is_told_when_an_answer_never_comes(asked, monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(standing, "PATIENCE", 1)
    monkeypatch.setitem(standing._QUESTIONS, "live_keys", answer.wait)
    assert set(IDLE) - set(told(asked())) == {("portal_live_keys",)}
    answer.set()


@pytest.mark.django_db(transaction=True)
def test_one_answer_that_does_not_come_leaves_the_others(asked, monkeypatch):
    def too_slow():
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setitem(standing._QUESTIONS, "owed", too_slow)
    left = {key: value for key, value in IDLE.items() if "kind" not in str(key)}
    assert told(asked()) == left


@pytest.mark.django_db(transaction=True)
def test_no_statement_may_take_long(asked, monkeypatch):
    def sleep():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")

    monkeypatch.setitem(standing._QUESTIONS, "owed", sleep)
    began = time.monotonic()
    assert number(asked(), "portal_database_up") == 1
    assert time.monotonic() - began < 3
