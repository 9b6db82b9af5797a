"""What is still to do after a case: a line comes with what it counts and goes with it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.credentials import proof, services
from portal.credentials.headway import headway
from portal.credentials.models import Grant, RevocationParty, RevocationProof
from portal.credentials.services import finishing
from portal.credentials.targets import Selector
from portal.mail.models import OutgoingMail
from portal.webhooks.models import Delivery
from portal.webhooks.selectors import told_about
from tests.factories import freezes
from tests.factories.accounts import OrganizationFactory
from tests.factories.cases import confirmed_case, contained_case, finished_case, reissued
from tests.factories.credentials import make_live_key
from tests.factories.gateway import make_gateway
from tests.factories.programs import RolloutPhaseFactory
from tests.factories.stories import WORKER, again
from tests.factories.webhooks import DeliveryFactory

pytestmark = pytest.mark.django_db
MAILS = "Mails still to leave"
WITHOUT = "Grants in force that have no key: re-issue, or end them"
UNASKED = "Doors that were not asked about the keys yet"


def keys(count, **fields):
    return [make_live_key(**fields)[0] for _ in range(count)]


def asked_of(case):
    case = again(case)
    proofs = proof.door_proofs(case)
    return proof.still_to_do(case, headway(case), told_about(case.ref), proofs)


def left(case):
    return {each.words: each.count for each in asked_of(case)}


def all_sent():
    OutgoingMail.objects.filter(sent_at=None).update(sent_at=timezone.now())


def test_mails_and_grants_without_a_key_are_left_and_then_nothing(by):
    case = finished_case(by, *keys(3))
    assert left(case) == {MAILS: 3, WITHOUT: 3}
    all_sent()
    assert left(case) == {WITHOUT: 3}
    reissued(case, by)
    assert left(case) == {}


def test_grants_that_are_over_or_keep_another_key_need_none(by):
    ended, past, other, left_one = keys(4)
    make_live_key(grant=other.grant)
    case = finished_case(by, ended, past, other, left_one)
    Grant.objects.filter(pk=ended.grant_id).update(status="ended")
    now = timezone.now()
    Grant.objects.filter(pk=past.grant_id).update(ends_at=now)
    assert left(case)[WITHOUT] == 1


def test_a_case_that_is_not_confirmed_has_nothing_to_follow_up(by):
    case = contained_case(by, *keys(1))
    assert left(case) == {}
    assert proof.proof_report(case)["follow_up"] == []


def test_keys_are_marked_then_partners_told_or_failing(by, settings, monkeypatch):
    settings.REVOCATION_CHUNK = 2
    monkeypatch.setattr(finishing, "WORK_FOR", 0)
    case = confirmed_case(by, *keys(4))
    assert left(case)["Dead keys that are not marked yet"] == 2
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    first = RevocationParty.objects.filter(revocation=case, status="pending").first()
    RevocationParty.objects.filter(pk=first.pk).update(status="failed", attempts=3)
    found = left(case)
    assert "Dead keys that are not marked yet" not in found
    assert found["Partners who could not be told so far"] == 1
    told = RevocationParty.objects.filter(revocation=case, status="done").count()
    assert found["Partners who are not told yet"] == 3 - told
    services.pause_revocation(revocation_id=case.pk, by=by)
    assert left(case)["Partners who are not told yet (telling is paused)"] == 3 - told


def test_mails_given_up_need_somebody(by):
    case = finished_case(by, *keys(2))
    mail = OutgoingMail.objects.first()
    OutgoingMail.objects.filter(pk=mail.pk).update(dead_at=timezone.now())
    found = left(case)
    assert found[MAILS] == 1
    assert found["Mails given up: tell these people in another way"] == 1


def test_webhooks_that_wait_and_that_were_given_up(by):
    case = finished_case(by, *keys(1))
    DeliveryFactory(about=case.ref, give_up_at=None)
    DeliveryFactory(about=case.ref, give_up_at=None, dead_at=timezone.now())
    DeliveryFactory(about="CASE-ANOTHER", give_up_at=None)
    found = left(case)
    assert found["Webhooks still to arrive"] == 1
    assert found["Webhooks given up: tell these partners in another way"] == 1
    Delivery.objects.update(delivered_at=timezone.now(), dead_at=None)
    assert not [words for words in left(case) if words.startswith("Webhooks")]


def test_answers_until_somebody_has_dealt_with_them(by):
    (key,) = keys(1)
    case = finished_case(by, key)
    message = services.write_about_case(
        revocation_id=case.pk, body="How did it get out?", by=key.grant.holder
    )
    assert left(case)["Answers that nobody has dealt with"] == 1
    services.reply_about_case(
        thread_id=message.thread_id, seen=message.ref, body="We look into it.", by=by
    )
    assert "Answers that nobody has dealt with" not in left(case)


def test_doors_are_to_be_asked_and_what_they_let_through_is_left(by):
    (key,) = keys(1)
    release = key.grant.phase.release
    door, _secret = make_gateway(release, "Front")
    make_gateway(release, "Back")
    case = finished_case(by, key)
    assert left(case)[UNASKED] == 2
    services.prove_revocation(revocation_id=case.pk, by=WORKER)
    assert not [words for words in left(case) if "Doors" in words or "let through" in words]
    RevocationProof.objects.create(
        revocation=case,
        door=door.client_id,
        name="Front",
        asked=1,
        refused=0,
        let_through=[key.kid],
        at=timezone.now() + timedelta(seconds=1),
    )
    assert left(case)["Keys that Front still let through"] == 1


def test_a_door_that_is_gone_leaves_nothing(by):
    case = finished_case(by, *keys(1))
    RevocationProof.objects.create(
        revocation=case, door="GW-GONE", name="Gone", asked=1, refused=0, let_through=["a"]
    )
    assert not [words for words in left(case) if "Gone" in words]


def test_keys_left_alive_until_they_are_dead(by):
    phase = RolloutPhaseFactory()
    _hit, spared = keys(2, grant__application__phase=phase)
    case = finished_case(
        by, selector=Selector(phase=phase.ref), exclusions={spared.kid: "Runs the night service"}
    )
    assert left(case)["Keys that were left alive"] == 1
    services.revoke_credential(kid=spared.kid, reason="key_leaked", by=spared.grant.holder)
    assert "Keys that were left alive" not in left(case)


@pytest.mark.parametrize("level", ["release", "phase", "organization", "person"])
def test_freezes_over_what_the_case_was_chosen_by(by, level):
    (key,) = keys(1, grant__application__organization=OrganizationFactory())
    ref = freezes.TARGETS[level](key)
    freeze = freezes.place(level, ref)
    freezes.place()  # over everything: of no case
    case = finished_case(by, selector=Selector(**{level: ref}))
    (found,) = [each for each in asked_of(case) if each.words.startswith("Freeze in force over")]
    assert (found.count, freeze.ref in found.address) == (1, True)
    services.ask_to_lift(freeze_id=freeze.pk, by=freezes.responder())
    services.lift_freeze(freeze_id=freeze.pk, by=freezes.responder())
    assert not [words for words in left(case) if words.startswith("Freeze")]


def test_freezes_over_something_else_are_none_of_the_case(by):
    key, other = keys(2)
    freezes.place("phase", other.grant.phase.ref)
    freezes.place("person", key.grant.holder.ref)
    case = finished_case(by, selector=Selector(phase=key.grant.phase.ref))
    assert not [words for words in left(case) if words.startswith("Freeze")]


def test_of_a_drill_doors_and_freezes_are_left_and_nobody_to_tell(by):
    phase = RolloutPhaseFactory()
    _hit, spared = keys(2, grant__application__phase=phase, kind="test")
    make_gateway(phase.release, "Sandbox", sandbox=True)
    freezes.place("phase", phase.ref)
    case = finished_case(
        by,
        selector=Selector(phase=phase.ref),
        rehearsal=True,
        exclusions={spared.kid: "To see what is spared"},
    )
    found = left(case)
    assert found.pop(UNASKED) == 1
    assert [words.split(":")[0] for words in found] == ["Freeze in force over Phase"]


def test_the_report_has_the_same_lines(by):
    case = finished_case(by, *keys(2))
    report = proof.proof_report(again(case))["follow_up"]
    assert report == [
        {"words": each.words, "count": each.count, "address": each.address}
        for each in asked_of(case)
    ]
    assert {each["words"]: each["count"] for each in report} == {MAILS: 2, WITHOUT: 2}
    assert all(each["address"].startswith("/admin/credentials/") for each in report)


def test_it_takes_the_same_statements_however_much_is_left(by):
    def cost(count):
        case = finished_case(by, *keys(count))
        DeliveryFactory.create_batch(count, about=case.ref, give_up_at=None)
        for item in case.items.select_related("credential__grant__holder"):
            services.write_about_case(
                revocation_id=case.pk, body="Why?", by=item.credential.grant.holder
            )
        with CaptureQueriesContext(connection) as asked:
            assert left(case)["Answers that nobody has dealt with"] == count
        return len(asked)

    assert cost(1) == cost(7)
