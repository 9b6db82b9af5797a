"""The one moment a secret exists."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials import secrets
from portal.credentials.models import Credential, Grant
from portal.credentials.services import (
    claim_credential,
    issue_credential,
    request_credential,
    revoke_credential,
    suspend_grant,
)
from portal.credentials.services.claiming import KEY_LIFE
from portal.credentials.verification import verify
from portal.errors import Conflict, NotAllowed
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.log import written

pytestmark = pytest.mark.django_db


def claim(slot, *, by=None, **more):
    return claim_credential(kid=slot.kid, by=by or slot.grant.holder, **more)


def works(slot, token):
    audience = slot.grant.phase.release.audience
    return bool(verify(token, audience=audience, scope=stories.STANDARD).verdict)


def refusal(slot, by):
    with written() as log, pytest.raises(NotAllowed) as refused:
        claim(slot, by=by)
    assert log == []
    assert Credential.objects.get(pk=slot.pk).digest is None
    return refused.value.code


def test_claiming_gives_a_key_that_works_and_keeps_only_its_hash():
    slot = stories.ready()
    with written() as log:
        minted = claim(slot, name="  Laboratory machine ")
    assert log == [
        ("credential.claimed", slot.kid, slot.grant.application.ref, slot.grant.holder.ref)
    ]
    key = stories.again(slot)
    assert works(key, minted.token)
    assert secrets.parse(minted.token) == key.kid
    assert (key.status, key.name, key.claimed_by) == (
        "active",
        "Laboratory machine",
        slot.grant.holder,
    )
    assert bytes(key.digest) == minted.digest
    assert key.expires_at - key.claimed_at == KEY_LIFE
    assert minted.token not in repr(minted)
    assert OutgoingMail.objects.latest("id").template == "credentials/key_claimed"


def test_a_key_never_outlives_its_grant():
    slot = stories.ready()
    ends = timezone.now() + timedelta(days=2)
    Grant.objects.update(ends_at=ends)
    claim(slot)
    assert stories.again(slot).expires_at == ends


def test_a_second_claim_shows_nothing_is_logged_and_told_to_the_holder_once():
    slot = stories.ready()
    claim(slot)
    before = Credential.objects.values().get()
    for _ in range(2):
        with written() as log, pytest.raises(Conflict) as refused:
            claim(slot)
        assert refused.value.code == "already_claimed"
        assert [line[:2] for line in log] == [("credential.claim_refused", slot.kid)]
    assert Credential.objects.values().get() == before
    alarms = OutgoingMail.objects.filter(template="credentials/second_claim_refused")
    assert [mail.to for mail in alarms] == [slot.grant.holder.email]


def test_only_the_holder_claims_whatever_else_somebody_may_do():
    organization, owner = OrganizationFactory(), UserFactory()
    owner.memberships.create(organization=organization, role="owner")
    slot = stories.ready()
    Grant.objects.update(organization=organization)
    for stranger in (owner, UserFactory(), UserFactory(is_superuser=True)):
        assert refusal(slot, stranger) == "not_yours"


def test_a_stranger_is_not_told_that_a_key_was_claimed_and_raises_no_alarm():
    slot = stories.ready()
    claim(slot)
    with written() as log, pytest.raises(NotAllowed) as refused:
        claim(slot, by=UserFactory())
    assert (refused.value.code, log) == ("not_yours", [])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "requested", "ready_at": None, "expires_at": None}, "not_ready"),
        ({"status": "lapsed"}, "not_claimable"),
        ({"expires_at": timezone.now()}, "slot_lapsed"),
    ],
)
def test_a_slot_that_is_not_ready_gives_no_key(change, code):
    slot = stories.ready()
    Credential.objects.update(**change)
    assert refusal(slot, slot.grant.holder) == code


def test_no_key_under_a_grant_that_is_suspended():
    slot = stories.ready()
    suspend_grant(grant_id=slot.grant_id, by=stories.responder())
    assert refusal(slot, slot.grant.holder) == "grant_not_active"


def test_no_key_for_a_person_who_is_suspended():
    slot = stories.ready()
    holder = slot.grant.holder
    holder.suspended_at, holder.suspended_by = timezone.now(), UserFactory()
    holder.save()
    assert refusal(slot, holder) == "account_suspended"


def test_no_key_from_a_revoked_slot():
    slot = stories.ready()
    revoke_credential(kid=slot.kid, reason="misuse", by=stories.responder())
    assert refusal(slot, slot.grant.holder) == "not_claimable"


def test_two_keys_of_one_grant_are_separate():
    first, token = stories.claimed()
    grant = first.grant
    slot = request_credential(grant_id=grant.pk, by=grant.holder)
    issue_credential(grant_id=grant.pk, by=stories.WORKER)
    other = claim(slot).token
    assert other != token
    assert works(first, token)
    assert works(slot, other)
    revoke_credential(kid=first.kid, reason="key_leaked", by=grant.holder)
    assert not works(first, token)
    assert works(slot, other)
