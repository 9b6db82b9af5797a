"""The one moment a secret exists."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials import secrets
from portal.credentials.models import Credential, Grant
from portal.credentials.services import (
    cancel_revocation,
    claim_credential,
    contain_revocation,
    issue_credential,
    preview_revocation,
    request_credential,
    revoke_credential,
    start_revocation,
    suspend_grant,
    word_of,
)
from portal.credentials.services.claiming import KEY_LIFE
from portal.credentials.targets import Selector
from portal.credentials.verification import verify
from portal.errors import Conflict, Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory
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


def preview_of(slot, by):
    return preview_revocation(selector=Selector(kids=slot.kid), reason="incident", note="", by=by)


def test_a_slot_that_a_case_holds_is_claimed_once_it_is_let_go():
    slot, by = stories.ready(), stories.responder()
    case = contain_revocation(revocation_id=preview_of(slot, by).pk, by=by)
    assert refusal(slot, slot.grant.holder) == "stopped_by_staff"
    cancel_revocation(revocation_id=case.pk, by=stories.responder())
    assert works(slot, claim(slot).token)


def test_a_slot_of_a_confirmed_case_is_dead_before_it_is_written_on_it(settings):
    settings.REVOCATION_CHUNK = 1
    first, by = stories.ready(), stories.responder()
    slot = stories.ready()
    case = preview_revocation(
        selector=Selector(kids=f"{first.kid} {slot.kid}"), reason="incident", note="", by=by
    )
    typed = {"typed_count": "2", "typed_word": word_of(case.digest)}
    start_revocation(revocation_id=case.pk, digest=case.digest, by=by, **typed)
    unmarked = Credential.objects.get(status="ready")
    assert refusal(unmarked, unmarked.grant.holder) == "stopped_by_staff"


@pytest.fixture
def of_a_partner():
    """A slot whose holder belongs to an organisation."""
    slot, partner = stories.ready(), OrganizationFactory()
    Grant.objects.update(organization=partner)
    MembershipFactory(user=slot.grant.holder, organization=partner, role="member")
    return stories.again(slot)


def colleague(slot, role):
    return MembershipFactory(organization=slot.grant.organization, role=role).user


def test_nobody_else_claims_whatever_they_may_do(of_a_partner):
    others = [colleague(of_a_partner, role) for role in ("member", "signing_official")]
    for stranger in (*others, UserFactory(), UserFactory(is_superuser=True)):
        assert refusal(of_a_partner, stranger) == "not_yours"


@pytest.mark.parametrize("role", ["technical_contact", "owner"])
def test_who_looks_after_the_organisations_keys_claims_and_both_are_told(of_a_partner, role):
    contact, holder = colleague(of_a_partner, role), of_a_partner.grant.holder
    with written() as log:
        minted = claim(of_a_partner, by=contact)
    assert [(kind, actor) for kind, _, _, actor in log] == [("credential.claimed", contact.ref)]
    assert works(of_a_partner, minted.token)
    assert stories.again(of_a_partner).claimed_by == contact
    told = OutgoingMail.objects.filter(template="credentials/key_claimed")
    assert {
        mail.to: (mail.context.get("colleague"), mail.context.get("held_by")) for mail in told
    } == {
        holder.email: (str(contact), None),
        contact.email: (None, str(holder)),
    }


def test_a_contact_who_left_or_is_suspended_claims_nothing(of_a_partner):
    gone = colleague(of_a_partner, "technical_contact")
    gone.memberships.all().delete()
    assert refusal(of_a_partner, gone) == "not_yours"
    suspended = colleague(of_a_partner, "technical_contact")
    meanwhile = stories.again(suspended)  # as a request read it before
    suspended.suspended_at, suspended.suspended_by = timezone.now(), UserFactory()
    suspended.save()
    for as_read in (suspended, meanwhile):
        assert refusal(of_a_partner, as_read) == "account_suspended"


def test_a_contact_claims_nothing_for_a_holder_who_left(of_a_partner):
    of_a_partner.grant.holder.memberships.all().delete()
    assert refusal(of_a_partner, colleague(of_a_partner, "owner")) == "not_a_member"


def test_a_claimer_who_left_is_told_nothing_more(of_a_partner):
    contact = colleague(of_a_partner, "technical_contact")
    claim(of_a_partner, by=contact)
    contact.memberships.all().delete()
    OutgoingMail.objects.all().delete()
    revoke_credential(kid=of_a_partner.kid, reason="misuse", by=stories.responder())
    assert [mail.to for mail in OutgoingMail.objects.all()] == [of_a_partner.grant.holder.email]


@pytest.mark.parametrize("whose", ["holder", "contact"])
def test_the_alarm_names_whose_account_tried(of_a_partner, whose):
    contact, holder = colleague(of_a_partner, "owner"), of_a_partner.grant.holder
    claim(of_a_partner, by=contact)
    tried = {"holder": holder, "contact": contact}[whose]
    with pytest.raises(Conflict):
        claim(of_a_partner, by=tried)
    alarms = OutgoingMail.objects.filter(template="credentials/second_claim_refused")
    assert {mail.to: mail.context["by"] for mail in alarms} == {
        person.email: "you" if person == tried else str(tried) for person in (holder, contact)
    }


# --- Narrower than the slot -------------------------------------------------------------------


@pytest.fixture
def wide():
    return stories.ready(scopes=[stories.STANDARD, stories.ELEVATED])


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        (None, [stories.STANDARD, stories.ELEVATED]),
        ([stories.ELEVATED], [stories.ELEVATED]),
        ([stories.ELEVATED, stories.STANDARD], [stories.STANDARD, stories.ELEVATED]),
    ],
)
def test_a_key_holds_what_was_chosen_of_the_slot(wide, asked, held):
    minted = claim(wide, scopes=asked)
    assert sorted(stories.again(wide).scopes) == sorted(held)
    audience = wide.grant.phase.release.audience
    allowed = [
        scope
        for scope in (stories.STANDARD, stories.ELEVATED, stories.CRITICAL)
        if verify(minted.token, audience=audience, scope=scope).verdict
    ]
    assert sorted(allowed) == sorted(held)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ([], "no_scope"),
        ([stories.CRITICAL], "scope_not_held"),
        ([stories.STANDARD, stories.CRITICAL], "scope_not_held"),
        (["model:*"], "scope_not_held"),
    ],
)
def test_none_and_more_than_the_slot_are_refused(wide, asked, code):
    with written() as log, pytest.raises(Invalid) as refused:
        claim(wide, scopes=asked)
    assert (refused.value.code, list(refused.value.fields), log) == (code, ["scopes"], [])
    assert stories.again(wide).status == "ready"


def test_a_slot_wider_than_its_grant_gives_what_the_grant_holds(wide):
    Grant.objects.update(scopes=[stories.STANDARD])
    claim(wide)
    assert stories.again(wide).scopes == [stories.STANDARD]


def test_a_key_pasted_for_a_name_is_not_kept():
    slot = stories.ready()
    other = secrets.mint(secrets.new_kid()).token
    claim(slot, name=f"instead of {other}")
    assert stories.again(slot).name == "instead of tpk_live_[redacted]"


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
