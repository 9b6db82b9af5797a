"""A key revoked with itself: by whoever held it, and nobody can say who that was."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.audit.services import System
from portal.credentials.models import Credential
from portal.credentials.services import revoke_by_possession, revoke_credential
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.factories.accounts import UserFactory
from tests.factories.credentials import CredentialFactory, make_live_key
from tests.log import events_about

BY = System("oauth")


def test_one_event_one_mail_and_twice_is_once(db, mailoutbox):
    key, _ = make_live_key()
    done = [revoke_by_possession(kid=key.kid, by=BY) for _ in range(3)]
    assert done == [True, False, False]
    key.refresh_from_db()
    assert (key.status, key.revoked_by, key.revoked_with_key) == ("revoked", None, True)
    (event,) = events_about(key.kid)
    assert (event.kind, event.actor) == ("credential.revoked", "system:oauth")
    (mail,) = OutgoingMail.objects.all()
    assert deliver_mail(mail_id=mail.pk)
    (sent,) = mailoutbox
    assert (sent.to, sent.subject) == (
        [key.grant.holder.email],
        f"Your key {key.kid} was revoked by whoever had it",
    )
    assert "If not, somebody else has had your key." in sent.body


def test_its_holder_may_ask_for_another(db):
    key, _ = make_live_key()
    revoke_by_possession(kid=key.kid, by=BY)
    key.refresh_from_db()
    assert (key.revoked_by_staff, key.revoked_reason) == (False, "no_longer_needed")


def test_a_key_beside_it_goes_on(db):
    key, _ = make_live_key()
    sibling, _ = make_live_key(grant=key.grant)
    slot = CredentialFactory(grant=key.grant)
    revoke_by_possession(kid=key.kid, by=BY)
    assert set(Credential.objects.exclude(pk=key.pk).values_list("pk", "status")) == {
        (sibling.pk, "active"),
        (slot.pk, "ready"),
    }


@pytest.mark.parametrize(
    ("by", "at", "with_key", "stands"),
    [
        (True, True, False, True),
        (False, True, True, True),
        (False, True, False, False),
        (True, True, True, False),
        (False, False, True, False),
        (True, False, False, False),
    ],
)
def test_a_revocation_has_an_author_or_says_why_not(db, by, at, with_key, stands):
    key, _ = make_live_key()
    change = {
        "status": "revoked" if at else "active",
        "revoked_at": timezone.now() if at else None,
        "revoked_by": UserFactory() if by else None,
        "revoked_with_key": with_key,
    }
    try:
        with transaction.atomic():
            Credential.objects.filter(pk=key.pk).update(**change)
    except IntegrityError:
        assert not stands
    else:
        assert stands


@pytest.mark.django_db(transaction=True)
def test_at_once_it_is_revoked_one_time_by_one_of_them(concurrently):
    key, _ = make_live_key()
    holder = key.grant.holder
    itself = [lambda: revoke_by_possession(kid=key.kid, by=BY)] * 5
    by_hand = [lambda: revoke_credential(kid=key.kid, reason="key_leaked", by=holder)] * 2
    outcomes = concurrently(*itself, *by_hand)
    (event,) = events_about(key.kid)
    key.refresh_from_db()
    assert key.revoked_with_key is (event.actor == "system:oauth")
    assert outcomes.count(True) == int(key.revoked_with_key)
    assert OutgoingMail.objects.count() == 1
