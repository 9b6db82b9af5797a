"""What is remembered holds only while PostgreSQL says so, whoever changes what, in what order."""

import threading

import pytest
from django.db import connection, transaction

from accounts.models import User
from portal.credentials import remembered
from portal.credentials.known import seal
from portal.credentials.models import Credential, Epoch
from portal.credentials.verification import verify
from tests.factories.credentials import make_live_key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _as_just_started():
    remembered.forget_all()


@pytest.fixture
def key():
    credential, token = make_live_key()
    audience = credential.grant.phase.release.audience

    def ask(within=0.0):
        return verify(token, audience=audience, scope=None, within=within).verdict.code or "yes"

    ask.kid = credential.kid
    ask.recalled = lambda: recalled(token)
    return ask


def recalled(token):
    """What is kept of this key in this process."""
    known = remembered.recall(seal(b"key", token.encode()))
    return known and known.facts


def elsewhere(work):
    """On another connection, to its end."""

    def run():
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)


def retire(kid):
    Credential.objects.filter(kid=kid).update(status="retired")


def test_a_yes_is_remembered_and_a_no_is_not(key):
    assert key.recalled() is None
    assert key() == "yes"
    assert key.recalled().kid == key.kid
    retire(key.kid)
    assert key() == "key_not_active"
    assert key.recalled() is None


def test_what_another_connection_committed_holds_at_the_very_next_call(key):
    assert key() == "yes"
    elsewhere(lambda: retire(key.kid))
    assert key() == "key_not_active"


def test_whoever_is_let_through_again_is_at_the_very_next_call(key):
    people = User.objects.filter(grants__credentials__kid=key.kid)
    elsewhere(lambda: people.update(is_active=False))
    assert key() == "holder_not_active"
    elsewhere(lambda: people.update(is_active=True))
    assert key() == "yes"


def test_only_what_was_touched_is_read_anew(key):
    other, token = make_live_key()
    audience = other.grant.phase.release.audience
    assert (key(), verify(token, audience=audience, scope=None).verdict.allowed) == ("yes", True)
    retire(key.kid)
    assert key() == "key_not_active"
    assert recalled(token).kid == other.kid


def test_one_that_is_numbered_early_and_commits_late_is_not_missed(key):
    """The order of ids is not the order of commits."""
    other, _token = make_live_key()
    assert key() == "yes"
    began, may_commit = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            retire(key.kid)
            began.set()
            assert may_commit.wait(30)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert began.wait(30)
    assert key() == "yes"  # not committed
    elsewhere(lambda: retire(other.kid))  # a later number, committed first
    assert key() == "yes"
    newest = Epoch.objects.order_by("-pk")[0]
    may_commit.set()
    thread.join(30)
    late = Epoch.objects.get(subject=f"key:{key.kid}")
    assert late.pk < newest.pk
    assert late.at > newest.at  # it counts from its commit
    assert key() == "key_not_active"


def test_within_says_how_long_nobody_is_asked(key):
    assert key() == "yes"
    elsewhere(lambda: retire(key.kid))
    assert key(within=60) == "yes"
    assert key() == "key_not_active"
    assert key(within=60) == "key_not_active"


def test_another_connection_knows_nothing_yet(key):
    assert key() == "yes"
    connection.close()
    remembered.prove(0.0)
    assert key.recalled() is None


def test_a_hundred_at_once_are_named_and_more_are_everything():
    kids = [make_live_key()[0].kid for _ in range(3)]
    Credential.objects.filter(kid__in=kids).update(status="retired")
    assert sorted(Epoch.objects.values_list("subject", flat=True)) == sorted(
        f"key:{kid}" for kid in kids
    )
    grant = make_live_key()[0].grant
    row = Credential.objects.get(grant=grant)
    rows = [
        Credential(
            grant=grant,
            kid=f"{number:016}",
            status="active",
            scopes=row.scopes,
            digest=row.digest,
            pepper_version=row.pepper_version,
            claimed_at=row.claimed_at,
            claimed_by_id=row.claimed_by_id,
            expires_at=row.expires_at,
        )
        for number in range(101)
    ]
    Credential.objects.bulk_create(rows)
    Epoch.objects.all().delete()
    Credential.objects.filter(kid__startswith="0000").update(status="retired")
    assert list(Epoch.objects.values_list("subject", flat=True)) == ["everything"]


def test_everything_empties_the_memory(key):
    assert key() == "yes"
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_freeze('everything')")
    assert key() == "frozen_everything"
    assert key.recalled() is None


def test_what_was_read_before_a_touch_is_not_kept_after_it(key):
    remembered.prove(0.0)
    moment = remembered.moment()
    retire(key.kid)
    remembered.prove(0.0)
    remembered.remember("x", "stale", subjects=(f"key:{key.kid}",), moment=moment)
    assert remembered.recall("x") is None


def test_the_oldest_goes_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(remembered, "MOST", 2)
    remembered.prove(0.0)
    for name in "abc":
        remembered.remember(name, name, subjects=(), moment=remembered.moment())
    assert [remembered.recall(name) for name in "abc"] == [None, "b", "c"]
