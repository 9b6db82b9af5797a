"""What workers do for a confirmed re-issue: slots, and one mail a person."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials import services
from portal.credentials.enums import ReissueItemStatus as I
from portal.credentials.models import Reissue, ReissueItem
from portal.credentials.services import leasing, slot_making
from portal.credentials.targets import barred_grants
from portal.credentials.verification import verify
from portal.mail.models import OutgoingMail
from tests.factories.accounts import MembershipFactory, OrganizationFactory
from tests.factories.cases import (
    finish_reissue,
    finished_case,
    preview_reissue,
    reissued,
    start_reissue,
)
from tests.factories.credentials import make_live_key
from tests.factories.stories import WORKER, again
from tests.log import written
from tests.unit.credentials.by_phase import no_mail_to

pytestmark = pytest.mark.django_db


def confirmed(by, *keys):
    return start_reissue(preview_reissue(finished_case(by, *keys), by), by)


def live(count=1, **given):
    return [make_live_key(**given)[0] for _ in range(count)]


def mails():
    return list(OutgoingMail.objects.filter(template="credentials/keys_reissued").order_by("pk"))


def statuses(reissue):
    return list(reissue.items.order_by("pk").values_list("status", flat=True))


def overdue():
    """Let the pauses between attempts be over."""
    ReissueItem.objects.update(next_attempt_at=timezone.now())


def test_a_slot_is_ready_and_holds_no_secret_until_it_is_claimed(by):
    key = live(grant__scopes=["model:infer", "model:train"], scopes=["model:infer"])[0]
    reissue = confirmed(by, key)
    case, grant = reissue.revocation, key.grant
    with written() as log:
        finish_reissue(reissue)
    slot = grant.credentials.exclude(pk=key.pk).get()
    assert (slot.status, slot.digest, slot.scopes) == ("ready", None, grant.scopes)
    assert slot.expires_at - slot.ready_at == timedelta(days=7)
    thread = grant.application.ref
    assert log == [
        ("grant.new_keys_allowed", grant.ref, thread, by.ref),
        ("credential.requested", slot.kid, thread, by.ref),
        ("credential.ready", slot.kid, thread, WORKER.ref),
        ("reissue.completed", reissue.ref, case.ref, WORKER.ref),
    ]
    minted = services.claim_credential(kid=slot.kid, by=grant.holder)
    audience = grant.phase.release.audience
    assert verify(minted.token, audience=audience, scope="model:infer").verdict
    assert again(key).status == "revoked"


def test_the_new_key_can_be_rotated_and_a_lapsed_slot_asked_for_again(by):
    key, other = live(2)
    reissued(finished_case(by, key, other), by)
    assert barred_grants([key.grant, other.grant]) == set()
    slot = key.grant.credentials.get(status="ready")
    services.claim_credential(kid=slot.kid, by=key.grant.holder)
    services.rotate_credential(kid=slot.kid, by=key.grant.holder)
    other.grant.credentials.filter(status="ready").update(expires_at=timezone.now())
    services.close_what_is_over(by=WORKER)
    services.request_credential(grant_id=other.grant_id, by=other.grant.holder)


def test_a_slot_never_outlives_its_grant(by):
    ends = timezone.now() + timedelta(days=2)
    key = live(grant__ends_at=ends, expires_at=ends)[0]
    reissued(finished_case(by, key), by)
    assert key.grant.credentials.get(status="ready").expires_at == ends


def test_one_mail_a_person_about_all_of_a_partner_s_slots(by):
    partner = OrganizationFactory()
    contact = MembershipFactory(organization=partner, role="technical_contact").user
    theirs, own = live(2, grant__organization=partner), live()[0]
    reissue = reissued(finished_case(by, *theirs, own), by)
    new = {key.pk: key.grant.credentials.get(status="ready").kid for key in (*theirs, own)}
    told = {mail.to: mail.context["kids"] for mail in mails()}
    assert told == {
        contact.email: [new[key.pk] for key in theirs],
        own.grant.holder.email: [new[own.pk]],
        **{key.grant.holder.email: [new[key.pk]] for key in theirs},
    }
    assert len(mails()) == reissue.mails == 4
    assert {mail.case for mail in mails()} == {reissue.revocation.ref}
    assert not OutgoingMail.objects.filter(template="credentials/key_ready").exists()
    finish_reissue(reissue)
    assert len(mails()) == 4


def test_chunks_go_on_where_they_stopped(by, monkeypatch):
    monkeypatch.setattr(slot_making, "MAKE_AT_ONCE", 2)
    monkeypatch.setattr(slot_making, "WORK_FOR", 0)
    reissue = confirmed(by, *live(3))
    seen = []
    while again(reissue).status == "running":
        finish_reissue(reissue)
        seen.append(sorted(statuses(reissue)))
    assert seen[:2] == [[I.CHOSEN, I.MADE, I.MADE], [I.MADE] * 3]
    assert seen[-1] == [I.TOLD] * 3
    assert len(mails()) == 3


def test_a_partner_who_cannot_be_told_is_tried_again_and_others_are_told(by, caplog):
    unlucky, other = live(2)
    reissue = confirmed(by, unlucky, other)
    with no_mail_to(unlucky.grant.holder):
        finish_reissue(reissue)
    assert statuses(reissue) == [I.FAILED, I.TOLD]
    failed = reissue.items.get(status=I.FAILED)
    assert (failed.attempts, failed.last_error, again(reissue).status) == (
        *(1, "ProgrammingError"),
        "running",
    )
    assert unlucky.grant.ref in caplog.text
    assert "Traceback" in caplog.text
    finish_reissue(reissue)
    assert statuses(reissue) == [I.FAILED, I.TOLD]  # not yet due
    overdue()
    finish_reissue(reissue)
    assert (statuses(reissue), again(reissue).status) == ([I.TOLD] * 2, "completed")
    assert sorted(mail.to for mail in mails()) == sorted(
        key.grant.holder.email for key in (unlucky, other)
    )


def test_what_was_claimed_before_anybody_was_told_is_not_told_of(by, monkeypatch):
    monkeypatch.setattr(slot_making, "WORK_FOR", 0)
    key = live()[0]
    reissue = confirmed(by, key)
    finish_reissue(reissue)
    slot = key.grant.credentials.get(status="ready")
    services.claim_credential(kid=slot.kid, by=key.grant.holder)
    finish_reissue(reissue)
    assert (mails(), again(reissue).status) == ([], "completed")


def test_one_worker_at_a_time_and_a_late_one_changes_nothing(by):
    reissue = confirmed(by, *live(2))
    fence = leasing.take_lease(Reissue, reissue.pk, ("running",))
    assert leasing.take_lease(Reissue, reissue.pk, ("running",)) is None
    assert finish_reissue(reissue) == 0
    Reissue.objects.update(leased_until=timezone.now())
    assert finish_reissue(reissue) > 0
    for step in (slot_making._make_step, slot_making._close_if_finished):
        with pytest.raises(leasing.LeaseLostError):
            step(reissue.pk, fence, by=WORKER)
    with pytest.raises(leasing.LeaseLostError):
        slot_making._tell_step(reissue.pk, fence)
    assert statuses(reissue) == [I.TOLD] * 2
