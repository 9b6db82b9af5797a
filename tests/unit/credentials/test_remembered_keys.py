"""What doors remember of keys that live on, are replaced and end: right at every moment."""

from datetime import timedelta
from importlib import import_module

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from portal import peppers
from portal.audit.services import System
from portal.credentials import last_use, remembered, secrets
from portal.credentials.models import Credential, Epoch
from portal.credentials.services import (
    close_what_is_over,
    remind_of_expiry,
    rename_credential,
    rotate_credential,
    start_overlap,
)
from portal.credentials.services.reminding import first_reminder
from portal.credentials.services.rotating import LEAKED
from portal.credentials.services.using import store_rehashed
from portal.credentials.verification import verify
from portal.gateway.noting import note_yes
from tests.factories.credentials import make_live_key
from tests.unit.credentials.test_remembered import elsewhere, recalled

pytestmark = pytest.mark.django_db(transaction=True)
GATEWAY, CLOCK = System("gateway"), System("clock")
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _as_just_started():
    last_use.flush_uses()
    remembered.forget_all()


class Presented:
    """A key as doors see it; `code` is why they refuse it, "" when they do not."""

    def __init__(self, credential, token):
        self.credential, self.token = credential, token
        self.audience = credential.grant.phase.release.audience

    def verify(self, within=0.0):
        return verify(self.token, audience=self.audience, scope=None, within=within)

    def code(self):
        return self.verify().verdict.code

    @property
    def is_remembered(self):
        return recalled(self.token) is not None


@pytest.fixture
def old():
    return Presented(*make_live_key())


def rotated(old, **more):
    new, minted = rotate_credential(kid=old.credential.kid, by=old.credential.grant.holder, **more)
    return Presented(new, minted.token)


def epochs():
    return sorted(Epoch.objects.values_list("subject", flat=True))


def started(new):
    elsewhere(lambda: start_overlap(kid=new.credential.kid, by=GATEWAY))


def test_a_rotated_key_stops_at_its_time_though_it_was_remembered_with_a_later_one(old):
    new = rotated(old)
    assert (old.code(), new.code()) == ("", "")
    started(new)
    assert (old.code(), old.is_remembered) == ("", True)  # read anew, with its end
    ends = Credential.objects.get(pk=old.credential.pk).expires_at
    with time_machine.travel(ends - timedelta(seconds=1), tick=False):
        assert old.verify(within=None).verdict.allowed
    with time_machine.travel(ends, tick=False):
        assert old.verify(within=None).verdict.code == "key_expired"  # nobody had to be told
        assert (old.code(), new.code()) == ("key_expired", "")
        assert close_what_is_over(by=CLOCK) == 1
        assert (old.code(), new.code()) == ("key_not_active", "")


def test_a_first_use_that_is_taken_back_changes_nothing_and_one_that_commits_holds_at_once(old):
    new = rotated(old)
    assert old.code() == ""
    later = Credential.objects.get(pk=old.credential.pk).expires_at - timedelta(seconds=1)
    with transaction.atomic():
        start_overlap(kid=new.credential.kid, by=GATEWAY)
        transaction.set_rollback(True)
    with time_machine.travel(later, tick=False):
        assert old.code() == ""
    started(new)
    with time_machine.travel(later, tick=False):
        assert old.code() == "key_expired"


def test_a_key_that_leaked_is_dead_when_the_rotation_commits(old):
    assert (old.code(), old.is_remembered) == ("", True)
    elsewhere(lambda: rotated(old, overlap=LEAKED))
    assert old.code() == "key_revoked"


def test_the_first_use_is_started_once_whatever_is_remembered(old, django_assert_num_queries):
    new = rotated(old)
    assert new.verify().facts.first_use
    found = new.verify()  # from memory
    assert found.facts.first_use
    note_yes(new.token, found.facts)
    assert not new.verify().facts.first_use
    found = new.verify()
    with django_assert_num_queries(0):
        note_yes(new.token, found.facts)


# --- Which changes are for the worse --------------------------------------------------------------


def test_what_makes_no_key_worse_leaves_no_epoch(old, settings):
    """Gateways that judge alone would refuse its tokens and cut its streams."""
    key, pepper = old.credential, settings.CREDENTIAL_PEPPERS[1]
    settings.CREDENTIAL_PEPPERS = {2: bytes(32), 1: pepper}
    assert old.code() == ""
    rename_credential(kid=key.kid, name="Laboratory", by=key.grant.holder)
    Credential.objects.update(remind_at=timezone.now())
    assert remind_of_expiry(by=CLOCK) == 1
    store_rehashed(rehashed={key.kid: secrets.rehash(old.token, 1)})
    assert Credential.objects.get(pk=key.pk).pepper_version == 2
    Credential.objects.update(expires_at=key.expires_at + DAY)
    assert (epochs(), old.is_remembered) == ([], True)


def test_a_first_use_says_of_the_old_key_that_its_end_is_nearer_and_nothing_of_the_new(old):
    new = rotated(old)
    started(new)
    assert epochs() == [f"key_end:{old.credential.kid}"]


@pytest.mark.parametrize(
    ("seconds", "level"), [(-1, "key"), (0, "key"), (290, "key"), (310, "key_end")]
)
def test_an_end_that_a_token_could_outlive_ends_the_tokens(old, seconds, level):
    ends = timezone.now() + timedelta(seconds=seconds)
    Credential.objects.update(expires_at=ends)
    assert epochs() == [f"{level}:{old.credential.kid}"]


WORSE = {
    "status": {"status": "retired"},
    "kid": {"kid": "0" * 16},
    "kind": {"kind": "test"},
    "scopes": {"scopes": ["cyber:scan"]},
    "another secret": {"digest": b"0" * 32},
    "another secret, older pepper": {"digest": b"0" * 32, "pepper_version": 0},
}


@pytest.mark.parametrize("name", WORSE)
def test_what_makes_a_key_worse_leaves_its_epoch(old, name):
    Credential.objects.update(**WORSE[name])
    assert epochs() == [f"key:{old.credential.kid}"]


def test_another_grant_is_for_the_worse(old):
    other = make_live_key()[0]
    Credential.objects.filter(pk=old.credential.pk).update(grant=other.grant)
    # What it was under is told as well: gateways that judge alone look for that.
    assert sorted(epochs()) == [f"grant:{old.credential.grant.ref}", f"key:{old.credential.kid}"]


def test_a_dead_key_leaves_none(old):
    Credential.objects.update(status="retired")
    Epoch.objects.all().delete()
    Credential.objects.update(name="x")
    assert epochs() == []


# --- Hashes on their way to another pepper --------------------------------------------------------


def test_a_hash_is_noted_until_it_is_stored_and_then_no_more(old, settings):
    pepper = settings.CREDENTIAL_PEPPERS[1]
    assert old.code() == ""
    settings.CREDENTIAL_PEPPERS = {2: bytes(32), 1: pepper}
    note_yes(old.token, old.verify().facts)
    assert not old.is_remembered
    assert last_use.flush_uses() == 2  # the hash and the use
    assert (old.code(), peppers.current()) == ("", 2)
    note_yes(old.token, old.verify().facts)
    assert (old.is_remembered, last_use.flush_uses()) == (True, 0)


# --- Keys from before -----------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0.5, 1, 6, 7, 13, 20, 30])
@pytest.mark.parametrize("age", [0, 2, 29])
def test_keys_from_before_are_announced_like_new_ones(old, days, age):
    now = timezone.now()
    claimed_at, expires_at = now - age * DAY, now + days * DAY
    Credential.objects.update(remind_at=None, claimed_at=claimed_at, expires_at=expires_at)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(import_module("portal.credentials.migrations.0003_life_of_keys")._REMIND)
    expected = first_reminder(max(now - DAY, claimed_at), expires_at)
    assert Credential.objects.get(pk=old.credential.pk).remind_at == expected
