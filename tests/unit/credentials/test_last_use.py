"""When a key was last let through, and its hash under the newest pepper."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal import batches
from portal.credentials import last_use
from portal.credentials.last_use import flush_uses, note_use, note_yes
from portal.credentials.models import Credential, CredentialUse
from portal.credentials.selectors import last_used_between
from portal.credentials.services import using
from portal.credentials.verification import verify
from tests.factories.credentials import make_live_key
from tests.processes import until

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OLD, NEW = {1: bytes(32)}, {2: bytes(range(32)), 1: bytes(32)}


@pytest.fixture(autouse=True)
def _nothing_noted():
    last_use._seen.clear()
    for batch in (last_use._uses, last_use._rehashed):
        batch.take(last_use.MOST)
    yield
    last_use._seen.clear()


def used(*keys, at):
    with time_machine.travel(at, tick=False):
        for key in keys:
            note_use(key.kid)


def written_for(key):
    return Credential.objects.get(pk=key.pk).last_used_at


def test_a_use_is_written_to_ten_minutes():
    key, _token = make_live_key()
    assert written_for(key) is None
    used(key, at=NOON + 9 * MINUTE)
    assert flush_uses() == 1
    assert written_for(key) == NOON
    used(key, at=NOON + 10 * MINUTE)
    flush_uses()
    assert written_for(key) == NOON + 10 * MINUTE


def test_calls_within_ten_minutes_are_one_note(django_assert_num_queries):
    key, _token = make_live_key()
    for second in range(0, 599, 7):
        used(key, at=NOON + timedelta(seconds=second))
    assert flush_uses() == 1
    used(key, at=NOON + 9 * MINUTE)
    with django_assert_num_queries(0):
        assert flush_uses() == 0


def test_noting_asks_no_database(django_assert_num_queries):
    key, token = make_live_key()
    facts = verify(token, audience=key.grant.phase.release.audience, scope=None).facts
    with django_assert_num_queries(0):
        note_yes(token, facts)
    with django_assert_num_queries(1):
        flush_uses()


def test_it_never_goes_backwards():
    key, _token = make_live_key()
    for minutes in (30, 10, 20):
        used(key, at=NOON + minutes * MINUTE)
        flush_uses()
    assert written_for(key) == NOON + 30 * MINUTE


def test_many_keys_are_one_statement_in_the_order_of_their_ids(monkeypatch):
    grant = make_live_key()[0].grant
    keys = [make_live_key(grant=grant)[0] for _ in range(7)]
    used(*reversed(keys), at=NOON)
    note_use("0" * 16)  # of a key that is not known
    with CaptureQueriesContext(connection) as asked:
        assert flush_uses() == 8
    assert len(asked) == 1
    rows = CredentialUse.objects.order_by("pk").values_list("credential", flat=True)
    assert list(rows) == [key.pk for key in keys]
    used(*keys, at=NOON + 10 * MINUTE)
    monkeypatch.setattr(last_use, "AT_ONCE", 3)
    with CaptureQueriesContext(connection) as asked:
        assert flush_uses() == 7
    assert len(asked) == 3


def test_what_is_remembered_has_an_end(monkeypatch):
    monkeypatch.setattr(last_use, "MOST", 3)
    for number in range(10):
        note_use(f"{number:016}")
        assert len(last_use._seen) <= 3


def test_what_could_not_be_written_is_written_later(monkeypatch):
    key, _token = make_live_key()
    used(key, at=NOON)
    with monkeypatch.context() as patch:
        patch.setattr(last_use, "store_uses", _down)
        with pytest.raises(OperationalError):
            flush_uses()
    assert flush_uses() == 1
    assert written_for(key) == NOON


def _down(**_notes):
    raise OperationalError


# --- Chosen by it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (-60, 60, True),
        (0, 1, True),
        (9, 60, True),  # it may have been at 12:09
        (10, 60, False),
        (-60, 0, False),
        (-60, 1, True),
    ],
)
def test_keys_are_chosen_by_their_last_use(since, until, found):
    key, _token = make_live_key()
    make_live_key(grant=key.grant)  # never used
    used(key, at=NOON + 5 * MINUTE)
    flush_uses()
    chosen = last_used_between(
        Credential.objects.all(), NOON + since * MINUTE, NOON + until * MINUTE
    )
    assert list(chosen) == [key] * found


# --- Peppers --------------------------------------------------------------------------------------


@pytest.fixture
def stale(settings):
    """(key, token): hashed under a pepper that has a successor by now."""
    settings.CREDENTIAL_PEPPERS = OLD
    made = make_live_key()
    settings.CREDENTIAL_PEPPERS = NEW
    return made


def verified(key, token):
    found = verify(token, audience=key.grant.phase.release.audience, scope=None)
    note_yes(token, found.facts)
    return found


def test_a_key_moves_to_the_newest_pepper_as_it_is_used(stale, settings):
    _key, _token = stale
    before = Credential.objects.values().get()
    assert verified(*stale).verdict
    flush_uses()
    after = Credential.objects.values().get()
    changed = {name for name in after if after[name] != before[name]}
    assert (changed, after["pepper_version"]) == ({"digest", "pepper_version"}, 2)
    settings.CREDENTIAL_PEPPERS = {2: NEW[2]}
    assert verified(*stale).verdict
    assert flush_uses() == 0


def test_a_key_of_the_newest_pepper_is_let_alone():
    made = make_live_key()
    verified(*made)
    before = Credential.objects.values().get()
    assert flush_uses() == 1  # its use
    assert Credential.objects.values().get() == before


def test_a_hash_that_came_too_late_changes_nothing(stale):
    _key, _token = stale
    verified(*stale)
    Credential.objects.update(digest=b"another")
    flush_uses()
    assert bytes(Credential.objects.get().digest) == b"another"


def test_a_wrong_secret_moves_nothing(stale):
    from portal.credentials import secrets  # noqa: PLC0415

    key, _token = stale
    forged = secrets.mint(key.kid).token
    found = verify(forged, audience=key.grant.phase.release.audience, scope=None)
    assert (found.facts, Credential.objects.get().pepper_version) == (None, 1)


def test_of_a_key_somebody_holds_the_hash_waits_for_the_next_use(stale):
    with CaptureQueriesContext(connection) as asked:
        verified(*stale)
        flush_uses()
    assert [q["sql"].count("SKIP LOCKED") for q in asked if "UPDATE cred" in q["sql"]] == [1]


# --- The thread -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_thread_writes_on_a_connection_of_its_own_and_gives_it_back(monkeypatch):
    monkeypatch.setattr(batches, "EVERY", 0.01)
    key, _token = make_live_key()
    last_use.start_flushing()
    first = last_use._writer
    last_use.start_flushing()
    assert last_use._writer is first
    note_use(key.kid)
    last_use.stop_flushing()
    assert timezone.now() - written_for(key) < 11 * MINUTE
    until(nobody_else_is_connected)


def nobody_else_is_connected():
    """A server notices a moment later that somebody has left."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_two_processes_writing_the_same_keys_never_wait_in_a_ring(concurrently):
    grant = make_live_key()[0].grant
    kids = [make_live_key(grant=grant)[0].kid for _ in range(60)]

    def write(kids, minutes):
        for again in range(20):
            using.store_uses(uses=dict.fromkeys(kids, NOON + (minutes + 10 * again) * MINUTE))

    done = concurrently(*(lambda n=n: write(kids[:: (-1) ** n], n) for n in range(4)))
    assert done == [None] * 4
    assert set(CredentialUse.objects.values_list("last_used_at", flat=True)) == {
        NOON + 193 * MINUTE
    }
