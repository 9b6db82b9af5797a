"""Before a key expires its keepers are told: 14, 7 and 1 days before, each once."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail as outbox
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.audit.services import System
from portal.credentials.models import Credential, Grant
from portal.credentials.services import (
    claim_credential,
    make_test_credential,
    remind_of_expiry,
    revoke_credential,
    rotate_credential,
)
from portal.credentials.services import reminding as module
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory
from tests.factories.credentials import make_live_key

pytestmark = pytest.mark.django_db

CLOCK = System("clock")
DAY = timedelta(days=1)


def sweep():
    """(how many keys were looked at, what is told of each: days left)."""
    OutgoingMail.objects.all().delete()
    looked_at = remind_of_expiry(by=CLOCK)
    told = OutgoingMail.objects.filter(template="credentials/key_expiring").order_by("pk")
    return looked_at, [mail.context["days"] for mail in told]


def key_of(days, **more):
    """A key claimed now for so many days."""
    slot = stories.ready()
    Grant.objects.filter(pk=slot.grant_id).update(ends_at=timezone.now() + timedelta(days=days))
    claim_credential(kid=slot.kid, by=slot.grant.holder)
    return stories.again(slot)


def told_over_the_life_of(key, *, every):
    """At which whole days before its end something was told."""
    now, said = timezone.now(), []
    while now < key.expires_at:
        with time_machine.travel(now, tick=False):
            said += sweep()[1]
        now += every
    return said


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (30, [14, 7, 1]),
        (15.5, [14, 7, 1]),
        (14.5, [7, 1]),  # who has just claimed it knows
        (10, [7, 1]),
        (7.5, [1]),
        (2.5, [1]),
        (1.5, []),
        (0.5, []),
    ],
)
def test_each_is_told_once_in_a_life_of_so_many_days(days, expected):
    key = key_of(days)
    assert told_over_the_life_of(key, every=DAY / 2) == expected


@pytest.mark.parametrize(
    ("left", "said"), [(20, []), (13.5, [14]), (5, [5]), (1.5, [2]), (0.5, [1]), (0, []), (-1, [])]
)
def test_after_a_long_silence_only_the_most_urgent_is_told(left, said):
    key = key_of(30)
    with time_machine.travel(key.expires_at - timedelta(days=left), tick=False):
        assert sweep() == (int(left < 20), said)
        assert sweep() == (0, [])


def test_two_sweeps_at_once_tell_once(monkeypatch):
    """The second comes while the first has not committed: what is held is passed over."""
    key = key_of(30)
    with (
        time_machine.travel(key.expires_at - DAY, tick=False),
        CaptureQueriesContext(connection) as asked,
    ):
        assert sweep() == (1, [1])
    [locking] = [q["sql"] for q in asked if "FOR UPDATE" in q["sql"]]
    assert locking.endswith("SKIP LOCKED")


def test_a_batch_has_an_end(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 2)
    grant = key_of(30).grant
    moment = timezone.now()
    for _ in range(4):
        make_live_key(grant=grant, remind_at=moment)
    with time_machine.travel(moment + DAY, tick=False):
        assert [sweep()[0] for _ in range(4)] == [2, 2, 0, 0]


def test_a_key_that_is_over_is_not_looked_at_again():
    key = key_of(30)
    with time_machine.travel(key.expires_at, tick=False):
        assert [sweep(), sweep()] == [(1, []), (0, [])]
    assert stories.again(key).remind_at is None


def test_of_a_key_that_was_rotated_nobody_is_told_but_of_the_new_one():
    key = key_of(30)
    with time_machine.travel(key.expires_at - 10 * DAY, tick=False):
        new, _minted = rotate_credential(kid=key.kid, by=key.grant.holder)
        assert sweep() == (1, [])  # the old one's turn, 14 days before
    with time_machine.travel(key.expires_at - 7 * DAY, tick=False):
        assert sweep() == (2, [7])
        [told] = OutgoingMail.objects.all()
        assert told.context["kid"] == new.kid
    with time_machine.travel(key.expires_at - 5 * DAY, tick=False):
        revoke_credential(kid=new.kid, reason="no_longer_needed", by=key.grant.holder)
    with time_machine.travel(key.expires_at - DAY, tick=False):
        assert sweep() == (1, [1])  # the old one goes on alone


def test_a_key_that_was_revoked_is_not_spoken_of():
    key = key_of(30)
    revoke_credential(kid=key.kid, reason="key_leaked", by=key.grant.holder)
    with time_machine.travel(key.expires_at - DAY, tick=False):
        assert sweep() == (0, [])


def words(key):
    with time_machine.travel(key.expires_at - DAY, tick=False):
        sweep()
        for mail in OutgoingMail.objects.all():
            deliver_mail(mail_id=mail.pk)
    return {message.to[0]: message.body for message in outbox.outbox}


def test_it_says_what_to_do():
    with_grant = key_of(20)
    assert "apply again" in words(with_grant)[with_grant.grant.holder.email]
    outbox.outbox.clear()
    key = key_of(60)
    body = words(key)[key.grant.holder.email]
    assert "ask for another key on the access page" in body
    assert f"{key.expires_at:%-d %B %Y, %H:%M} UTC" in body
    outbox.outbox.clear()
    test, _minted = make_test_credential(grant_id=key.grant_id, by=key.grant.holder)
    assert "make another test key" in words(test)[key.grant.holder.email]


def test_the_contact_who_claimed_it_is_told_too():
    partner = OrganizationFactory()
    contact = MembershipFactory(organization=partner, role="owner").user
    key, _token = make_live_key(
        grant__application__organization=partner, claimed_by=contact, remind_at=timezone.now()
    )
    Credential.objects.update(remind_at=key.expires_at - DAY)
    assert set(words(key)) == {key.grant.holder.email, contact.email}
