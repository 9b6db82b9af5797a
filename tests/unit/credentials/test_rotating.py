"""One key in place of another: never more than two, never wider, never longer."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail as outbox
from django.utils import timezone

from portal.audit.models import Event
from portal.audit.services import System
from portal.credentials import secrets
from portal.credentials.facts import read_facts
from portal.credentials.models import Credential, Grant
from portal.credentials.services import (
    close_what_is_over,
    issue_credential,
    make_test_credential,
    request_credential,
    revoke_credential,
    rotate_credential,
    start_overlap,
    suspend_grant,
)
from portal.credentials.services.rotating import LEAKED, LONGEST_OVERLAP, SHORTEST_OVERLAP
from portal.credentials.verification import verify
from portal.errors import Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory
from tests.factories.credentials import GrantFactory, make_live_key
from tests.log import written

pytestmark = pytest.mark.django_db

GATEWAY, CLOCK = System("gateway"), System("clock")
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)


@pytest.fixture
def old():
    """A key in use, of two scopes, with 30 days to go."""
    return make_live_key(grant__scopes=[stories.STANDARD, stories.ELEVATED], name="Laboratory")[0]


def rotate(key, *, by=None, **more):
    return rotate_credential(kid=key.kid, by=by or key.grant.holder, **more)


def works(key, token):
    audience = key.grant.phase.release.audience
    return bool(verify(token, audience=audience, scope=stories.STANDARD).verdict)


def refusal(key, *, by=None, **more):
    keys = Credential.objects.count()
    with written() as log, pytest.raises((NotAllowed, Invalid)) as refused:
        rotate(key, by=by, **more)
    assert (log, Credential.objects.count()) == ([], keys)
    return refused.value.code


def test_both_keys_work_and_the_new_one_ends_when_the_old_would_have():
    old, old_token = make_live_key(name="Laboratory")
    holder, thread = old.grant.holder, old.grant.application.ref
    with written() as log:
        new, minted = rotate(old)
    assert log == [
        ("credential.claimed", new.kid, thread, holder.ref),
        ("credential.rotated", old.kid, thread, holder.ref),
    ]
    assert secrets.parse(minted.token) == new.kid
    assert (works(old, old_token), works(new, minted.token)) == (True, True)
    new.refresh_from_db()
    assert (new.replaces, new.overlap, new.overlap_started_at) == (old, DAY, None)
    assert (new.name, new.scopes, new.kind) == ("Laboratory", old.scopes, "live")
    assert (new.expires_at, new.claimed_by) == (old.expires_at, holder)
    assert bytes(new.digest) == minted.digest


def test_its_name_and_scopes_may_be_others(old):
    new, _minted = rotate(old, name="", scopes=[stories.ELEVATED])
    assert (new.name, new.scopes) == ("", [stories.ELEVATED])


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ([], "no_scope"),
        ([stories.STANDARD, stories.CRITICAL], "scope_not_held"),
        (["model:*"], "scope_not_held"),
    ],
)
def test_it_never_gets_wider(old, asked, code):
    assert refusal(old, scopes=asked) == code


def test_what_was_left_out_once_does_not_come_back(old):
    new, _minted = rotate(old, scopes=[stories.STANDARD])
    revoke_credential(kid=old.kid, reason="no_longer_needed", by=old.grant.holder)
    assert refusal(new, scopes=[stories.ELEVATED]) == "scope_not_held"
    newest, _minted = rotate(new)
    assert newest.scopes == [stories.STANDARD]


def test_it_never_outlives_a_grant_that_ends_sooner(old):
    ends = timezone.now() + DAY
    Grant.objects.update(ends_at=ends)
    assert rotate(old)[0].expires_at == ends


@pytest.mark.parametrize("overlap", [SHORTEST_OVERLAP, LONGEST_OVERLAP])
def test_the_overlap_has_bounds(old, overlap):
    beyond = overlap - SECOND if overlap == SHORTEST_OVERLAP else overlap + SECOND
    assert refusal(old, overlap=beyond) == "overlap_out_of_bounds"
    assert refusal(old, overlap=-overlap) == "overlap_out_of_bounds"
    assert rotate(old, overlap=overlap)[0].overlap == overlap


def test_a_key_that_leaked_is_dead_at_once():
    old, old_token = make_live_key()
    with written() as log:
        new, minted = rotate(old, overlap=LEAKED)
    assert [line[:2] for line in log] == [
        ("credential.claimed", new.kid),
        ("credential.rotated", old.kid),
        ("credential.revoked", old.kid),
    ]
    assert (works(old, old_token), works(new, minted.token)) == (False, True)
    old.refresh_from_db()
    assert (old.status, old.revoked_reason, old.revoked_by) == (
        "revoked",
        "key_leaked",
        old.grant.holder,
    )
    assert not read_facts(new.kid).first_use
    assert rotate(new, overlap=LEAKED)  # its holder did it: the grant is not barred


# --- The overlap --------------------------------------------------------------------------------


def use(key):
    """What a door does."""
    return read_facts(key.kid).first_use and start_overlap(kid=key.kid, by=GATEWAY)


def test_the_clock_starts_at_the_first_use_of_the_new_key(old):
    new, _minted = rotate(old)
    assert stories.again(old).expires_at == old.expires_at
    with written() as log:
        assert use(new)
    until = stories.again(old).expires_at
    assert until - stories.again(new).overlap_started_at == DAY
    assert [line[:2] for line in log] == [("credential.overlap_started", old.kid)]
    with written() as log:
        assert not use(new)
        assert not start_overlap(kid=new.kid, by=GATEWAY)
    assert (log, stories.again(old).expires_at) == ([], until)


def test_using_the_old_key_starts_nothing(old):
    rotate(old)
    assert not use(old)
    assert not start_overlap(kid=old.kid, by=GATEWAY)
    assert stories.again(old).expires_at == old.expires_at


def test_the_overlap_never_lengthens_a_life(old):
    soon = timezone.now() + HOUR
    Credential.objects.update(expires_at=soon)
    new, _minted = rotate(old, overlap=LONGEST_OVERLAP)
    assert use(new)
    assert stories.again(old).expires_at == soon


def test_a_key_that_is_no_key_in_anothers_place_starts_nothing(old):
    assert not start_overlap(kid=old.kid, by=GATEWAY)
    assert not start_overlap(kid="0" * 16, by=GATEWAY)


def test_of_an_old_key_that_is_dead_nothing_changes(old):
    new, _minted = rotate(old)
    revoke_credential(kid=old.kid, reason="no_longer_needed", by=old.grant.holder)
    dead = stories.again(old)
    with written() as log:
        assert use(new)
    assert log == []
    assert stories.again(old).expires_at == dead.expires_at
    assert not read_facts(new.kid).first_use  # the doors do not ask again


def test_a_new_key_that_is_dead_starts_nothing(old):
    new, _minted = rotate(old)
    revoke_credential(kid=new.kid, reason="no_longer_needed", by=old.grant.holder)
    assert not start_overlap(kid=new.kid, by=GATEWAY)
    assert stories.again(old).expires_at == old.expires_at


def test_when_the_overlap_is_over_the_old_key_is_refused_and_then_retired():
    old, token = make_live_key()
    new, minted = rotate(old, overlap=HOUR)
    use(new)
    with time_machine.travel(timezone.now() + HOUR + SECOND):
        assert (works(old, token), works(new, minted.token)) == (False, True)
        with written() as log:
            assert close_what_is_over(by=CLOCK) == 1
        assert [line[:2] for line in log] == [("credential.retired", old.kid)]
        told = OutgoingMail.objects.latest("pk")
        assert (told.template, told.context["retired"]) == ("credentials/key_over", True)
        assert rotate(new)  # there is room again


def test_a_key_whose_successor_was_never_used_expires():
    old, _token = make_live_key()
    new, _minted = rotate(old)
    with time_machine.travel(old.expires_at):
        close_what_is_over(by=CLOCK)
    assert (stories.again(old).status, stories.again(new).status) == ("expired", "expired")


# --- Refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", ["retired", "expired", "lapsed", "revoked"])
def test_a_dead_key_is_not_rotated(old, dead):
    if dead == "revoked":
        revoke_credential(kid=old.kid, reason="misuse", by=old.grant.holder)
    else:
        Credential.objects.update(status=dead)
    assert refusal(old) == "not_rotatable"


def test_a_key_whose_time_is_up_is_not_rotated_whatever_the_sweep_did(old):
    Credential.objects.update(expires_at=timezone.now())
    assert refusal(old) == "key_expired"


def test_never_a_third_live_key(old):
    new, _minted = rotate(old)
    assert [refusal(key) for key in (old, new)] == ["too_many_keys"] * 2
    assert refusal(old, overlap=LEAKED) == "too_many_keys"


def test_not_beside_a_slot_that_waits():
    key, _token = stories.claimed()
    request_credential(grant_id=key.grant_id, by=key.grant.holder)
    assert refusal(key) == "slot_waiting"
    issue_credential(grant_id=key.grant_id, by=stories.WORKER)
    assert refusal(key) == "slot_waiting"


def test_a_lost_answer_is_made_good_by_revoking_it_and_rotating_again(old):
    lost, _minted = rotate(old)
    revoke_credential(kid=lost.kid, reason="no_longer_needed", by=old.grant.holder)
    new, _minted = rotate(old)
    assert (new.replaces, stories.again(old).status) == (old, "active")


def test_not_after_staff_revoked_a_key_of_the_grant():
    key, _token = make_live_key()
    other, _token = make_live_key(grant=key.grant)
    revoke_credential(kid=other.kid, reason="misuse", by=stories.responder())
    assert refusal(key) == "revoked_by_staff"


def test_not_under_a_suspended_grant(old):
    suspend_grant(grant_id=old.grant_id, by=stories.responder())
    assert refusal(old) == "grant_not_active"


def test_whoever_has_no_part_in_it_is_refused(old):
    for other in (stories.responder(), GrantFactory().holder):
        assert refusal(old, by=other) == "not_yours"


# --- Told ---------------------------------------------------------------------------------------


def sent():
    """What arrived, by whom it is for."""
    for each in OutgoingMail.objects.filter(template="credentials/key_rotated"):
        assert deliver_mail(mail_id=each.pk)
    return {message.to[0]: message.body for message in outbox.outbox}


@pytest.mark.parametrize("overlap", [LEAKED, HOUR, DAY, 3 * DAY])
def test_the_holder_is_told_what_becomes_of_the_old_key(old, overlap):
    new, _minted = rotate(old, overlap=overlap)
    [body] = sent().values()
    words = {
        LEAKED: f"{old.kid} is revoked, because it leaked",
        HOUR: f"until 1 hour after the first use of {new.kid}",
        DAY: f"until 24 hours after the first use of {new.kid}",
        3 * DAY: f"until 3 days after the first use of {new.kid}",
    }
    assert [each for each in words.values() if each in body] == [words[overlap]]


def test_a_contact_rotates_and_the_holder_is_told_by_whom():
    partner = OrganizationFactory()
    key, _token = make_live_key(grant__application__organization=partner)
    contact = MembershipFactory(organization=partner, role="technical_contact").user
    new, _minted = rotate(key, by=contact)
    assert new.claimed_by == contact
    bodies = sent()
    assert f"made just now by {contact}" in bodies[key.grant.holder.email]
    assert f"claimed this key for {key.grant.holder}" in bodies[contact.email]


# --- Test keys ------------------------------------------------------------------------------------


def test_a_test_key_works_in_a_sandbox_and_nowhere_else():
    grant = GrantFactory(scopes=[stories.STANDARD, stories.ELEVATED])
    with written() as log:
        key, minted = make_test_credential(
            grant_id=grant.pk, by=grant.holder, name="Try-out", scopes=[stories.STANDARD]
        )
    assert [line[:2] for line in log] == [("credential.claimed", key.kid)]
    assert Event.objects.latest("id").payload == {"grant": grant.ref, "kind": "test"}
    assert minted.token.startswith("tpk_test_")
    audience = grant.phase.release.audience
    asked = [
        verify(minted.token, audience=audience, scope=scope, sandbox=sandbox).verdict.code
        for scope in (stories.STANDARD, stories.ELEVATED)
        for sandbox in (True, False)
    ]
    assert asked == ["", "wrong_kind", "scope_not_held", "wrong_kind"]
    key.refresh_from_db()
    assert (key.kind, key.name, key.status) == ("test", "Try-out", "active")
    assert abs(key.expires_at - key.claimed_at - 30 * DAY) < SECOND
    assert OutgoingMail.objects.latest("pk").template == "credentials/key_claimed"


def test_test_keys_have_their_own_two_places():
    key, _token = make_live_key()
    grant = key.grant
    rotate(key)
    make = {"grant_id": grant.pk, "by": grant.holder}
    first, _minted = make_test_credential(**make)
    new, _minted = rotate(first)
    assert (new.kind, new.replaces) == ("test", first)
    with pytest.raises(NotAllowed) as refused:
        make_test_credential(**make)
    assert refused.value.code == "too_many_keys"
    assert Credential.objects.filter(status="active").count() == 4
    revoke_credential(kid=new.kid, reason="key_leaked", by=grant.holder)
    assert make_test_credential(**make)


@pytest.mark.parametrize(
    ("asked", "code"), [([], "no_scope"), ([stories.CRITICAL], "scope_not_held")]
)
def test_a_test_key_is_no_wider_than_its_grant(asked, code):
    grant = GrantFactory()
    with pytest.raises(Invalid) as refused:
        make_test_credential(grant_id=grant.pk, by=grant.holder, scopes=asked)
    assert (refused.value.code, Credential.objects.count()) == (code, 0)


def test_a_test_key_never_outlives_its_grant():
    ends = timezone.now() + DAY
    grant = GrantFactory(ends_at=ends)
    key, _minted = make_test_credential(grant_id=grant.pk, by=grant.holder)
    assert key.expires_at == ends
