"""New keys after a case: who gets a slot, who says so, and how many it takes to say it."""

import hashlib
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.credentials import reissuable, selectors, services
from portal.credentials.enums import ReissueItemStatus as I
from portal.credentials.models import Grant, Reissue, ReissueItem
from portal.credentials.selectors import SETTLE, unfinished_reissues
from portal.credentials.targets import Selector, barred_grants
from portal.errors import Conflict, Gone, Invalid, NotAllowed
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.cases import (
    confirmed_case,
    finish_reissue,
    finished_case,
    preview_reissue,
    reissued,
    start_reissue,
    typed,
)
from tests.factories.credentials import CredentialFactory, make_live_key
from tests.factories.freezes import place
from tests.factories.programs import AgreementVersionFactory
from tests.factories.stories import WORKER, again, manager
from tests.log import written

pytestmark = pytest.mark.django_db


def live(count=1, **given):
    return [make_live_key(**given)[0] for _ in range(count)]


def items(reissue):
    """(dead kid, status, code), in a fixed order."""
    rows = reissue.items.order_by("pk")
    return list(rows.values_list("credential__kid", "status", "code"))


# --- Preview -------------------------------------------------------------------------------------
def test_a_preview_freezes_the_grants_and_makes_nothing(by):
    keys = live(3)
    case = finished_case(by, *keys)
    with written() as log:
        reissue = preview_reissue(case, by, note="Their build logs are clean now.")
    kids = sorted(key.kid for key in keys)
    assert (reissue.status, reissue.count, reissue.needs_second) == ("previewed", 3, False)
    assert reissue.digest == hashlib.sha256("\n".join(kids).encode()).hexdigest()
    assert reissue.expires_at - reissue.previewed_at == timedelta(minutes=15)
    assert items(reissue) == [(key.kid, I.CHOSEN, "") for key in keys]
    assert log == [("reissue.previewed", reissue.ref, case.ref, by.ref)]
    assert not any(key.grant.credentials.filter(waiting=True).exists() for key in keys)
    assert barred_grants([key.grant for key in keys]) == {key.grant_id for key in keys}


def test_a_grant_with_several_keys_in_the_case_gets_one_slot(by):
    older = live()[0]
    newer = live(grant=older.grant)[0]
    reissue = reissued(finished_case(by, older, newer), by)
    assert items(reissue) == [(newer.kid, I.TOLD, "")]
    assert older.grant.credentials.filter(status="ready").count() == 1


def test_only_a_case_that_has_run_is_reissued(by):
    key = live()[0]
    running = confirmed_case(by, key)
    drill = finished_case(by, *live(kind="test"), rehearsal=True)
    for case, code in ((running, "not_run"), (drill, "rehearsal")):
        with pytest.raises(NotAllowed) as no:
            preview_reissue(case, by)
        assert no.value.code == code
    services.finish_revocation(revocation_id=running.pk, by=WORKER)
    assert preview_reissue(running, by).count == 1


def test_who_may_not_revoke_may_not_reissue(by):
    case = finished_case(by, *live())
    reissue = preview_reissue(case, by)
    other = manager()
    for act in (
        lambda: preview_reissue(case, other),
        lambda: start_reissue(reissue, other),
        lambda: services.cancel_reissue(reissue_id=reissue.pk, by=other),
        lambda: services.approve_reissue(reissue_id=reissue.pk, by=other, **typed(reissue)),
    ):
        with pytest.raises(NotAllowed) as no:
            act()
        assert no.value.code == "no_permission"


def test_one_partner_or_individuals_alone(by):
    partner = OrganizationFactory()
    theirs = live(2, grant__organization=partner)
    own = live()[0]
    case = finished_case(by, *theirs, own)
    assert reissuable.partners_in(case) == [
        (partner.ref, partner.name, 2),
        (reissuable.INDIVIDUALS, "Individuals", 1),
    ]
    one = preview_reissue(case, by, chosen=partner.ref)
    assert [kid for kid, _status, _code in items(one)] == [key.kid for key in theirs]
    alone = preview_reissue(case, by, chosen=reissuable.INDIVIDUALS)
    assert items(alone) == [(own.kid, I.CHOSEN, "")]
    assert [reissuable.words_of_choice(each) for each in (one, alone)] == [
        partner.name,
        "Individuals",
    ]


def test_keys_are_left_out_with_a_reason(by):
    kept, spared = live(2)
    case = finished_case(by, kept, spared)
    reissue = preview_reissue(case, by, exclusions={spared.kid: "the laptop is still missing"})
    assert items(reissue) == [(kept.kid, I.CHOSEN, ""), (spared.kid, I.LEFT_OUT, "")]
    assert reissue.items.get(status=I.LEFT_OUT).why == "the laptop is still missing"
    for exclusions in ({spared.kid: " "}, {"0" * 16: "who knows"}, {live()[0].kid: "of no case"}):
        with pytest.raises(Invalid) as no:
            preview_reissue(case, by, exclusions=exclusions)
        assert "exclusions" in no.value.fields


# --- Who gets none, and why ----------------------------------------------------------------------
REFUSED = {
    "grant revoked": (
        lambda g, by: services.revoke_grant(grant_id=g.pk, reason="misuse", by=by),
        "grant_not_active",
    ),
    "grant suspended": (
        lambda g, by: services.suspend_grant(grant_id=g.pk, by=by),
        "grant_not_active",
    ),
    "grant over": (
        lambda g, _: Grant.objects.filter(pk=g.pk).update(ends_at=timezone.now()),
        "grant_out_of_dates",
    ),
    "holder suspended": (
        lambda g, by: (
            type(g.holder)
            .objects.filter(pk=g.holder_id)
            .update(suspended_at=timezone.now(), suspended_by=by)
        ),
        "holder_not_active",
    ),
    "agreement unsigned": (
        lambda g, _: AgreementVersionFactory(release=g.phase.release),
        "agreement_not_current",
    ),
    "frozen": (lambda g, _: place("phase", g.phase.ref), "frozen_phase"),
    "a slot": (lambda g, _: CredentialFactory(grant=g), "lives"),
    "a live key": (lambda g, _: make_live_key(grant=g), "lives"),
    "revoked apart from it": (
        lambda g, by: services.revoke_credential(
            kid=make_live_key(grant=g)[0].kid, reason="misuse", by=by
        ),
        "barred",
    ),
}


def test_a_large_preview_takes_as_many_statements_as_a_small_one(by):
    small, large = (finished_case(by, *live(count)) for count in (1, 20))
    counts = []
    for case in (small, large):
        with CaptureQueriesContext(connection) as asked:
            preview_reissue(case, by)
        counts.append(len(asked))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_get_one_says_why(name, by):
    act, code = REFUSED[name]
    key, other = live(2)
    case = finished_case(by, key, other)
    act(key.grant, by)
    reissue = preview_reissue(case, by)
    assert items(reissue) == [(key.kid, I.REFUSED, code), (other.kid, I.CHOSEN, "")]
    assert reissue.count == 1
    assert reissue.items.get(status=I.REFUSED).why


@pytest.mark.parametrize("name", REFUSED)
def test_what_happens_between_the_preview_and_the_worker_is_seen(name, by):
    act, code = REFUSED[name]
    key, other = live(2)
    reissue = start_reissue(preview_reissue(finished_case(by, key, other), by), by)
    act(key.grant, by)
    slots = set(key.grant.credentials.values_list("pk", flat=True))
    finish_reissue(reissue)
    assert items(reissue) == [(key.kid, I.REFUSED, code), (other.kid, I.TOLD, "")]
    assert set(key.grant.credentials.values_list("pk", flat=True)) == slots
    assert again(reissue).status == "completed"


def test_a_key_that_its_holder_revoked_first_is_reissued_and_one_that_staff_did_is_not(by):
    quick, judged, other = live(3)
    case = services.preview_revocation(
        selector=Selector(kids=f"{quick.kid} {judged.kid} {other.kid}"),
        reason="incident",
        note="",
        by=by,
    )
    services.revoke_credential(kid=quick.kid, reason="key_leaked", by=quick.grant.holder)
    services.revoke_credential(kid=judged.kid, reason="misuse", by=by)
    services.start_revocation(revocation_id=case.pk, by=by, **typed(case))
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    assert items(preview_reissue(case, by)) == [
        (quick.kid, I.CHOSEN, ""),
        (judged.kid, I.REFUSED, "barred"),
        (other.kid, I.CHOSEN, ""),
    ]


def test_a_case_about_the_whole_phase_bars_what_another_would_reissue(by):
    key = live()[0]
    small = finished_case(by, key)
    beside = live(grant__application__phase=key.grant.phase)[0]
    finished_case(by, selector=Selector(phase=beside.grant.phase.ref))
    with pytest.raises(Invalid, match="apart from this case"):
        preview_reissue(small, by)


def test_a_grant_is_in_one_reissue_of_its_case_at_a_time(by):
    case = finished_case(by, *live(2))
    first = preview_reissue(case, by)
    with pytest.raises(Invalid) as no:
        preview_reissue(case, by)
    assert (no.value.code, "Another re-issue" in no.value.message) == ("nothing_to_reissue", True)
    services.cancel_reissue(reissue_id=first.pk, by=by)
    assert preview_reissue(case, by).count == 2
    item = first.items.first()
    with pytest.raises(IntegrityError, match="reissued_once_a_case"), transaction.atomic():
        ReissueItem.objects.filter(pk=item.pk).update(status=I.CHOSEN)


# --- Confirming ----------------------------------------------------------------------------------
def test_confirming_wants_the_digest_the_count_and_the_word(by):
    reissue = preview_reissue(finished_case(by, *live(2)), by)
    with pytest.raises(Conflict):
        start_reissue(reissue, by, digest="0" * 64)
    with pytest.raises(Invalid) as no:
        start_reissue(reissue, by, typed_count="3", typed_word="no")
    assert set(no.value.fields) == {"typed_count", "typed_word"}
    assert "Nothing was re-issued." in no.value.message
    Reissue.objects.update(expires_at=timezone.now())
    with pytest.raises(Gone):
        start_reissue(reissue, by)
    assert again(reissue).status == "previewed"


def test_the_word_of_a_reissue_is_no_words_of_a_case(by):
    """Of the same keys both have the same digest: whoever has both pages open types another."""
    case = finished_case(by, *live(2))
    reissue = preview_reissue(case, by)
    assert reissue.digest == case.digest
    with pytest.raises(Invalid) as no:
        start_reissue(reissue, by, typed_word=services.word_of(case.digest))
    assert set(no.value.fields) == {"typed_word"}
    digests = [f"{number:08x}" for number in range(1000)]
    words = {services.word_of(each) for each in digests}
    others = {services.reissue_word_of(each) for each in digests}
    assert (len(words), len(others), words & others) == (24, 22, set())


def test_time_puts_a_preview_away_and_frees_its_grants(by):
    case = finished_case(by, *live())
    reissue = preview_reissue(case, by)
    services.close_what_is_over(by=WORKER)
    assert again(reissue).status == "previewed"
    Reissue.objects.update(expires_at=timezone.now())
    with written() as log:
        services.close_what_is_over(by=WORKER)
    assert log == [("reissue.expired", reissue.ref, case.ref, "system:worker")]
    assert preview_reissue(case, by).count == 1


# --- What workers find ---------------------------------------------------------------------------
def test_unfinished_ones_are_rung_for(by):
    reissue = start_reissue(preview_reissue(finished_case(by, *live()), by), by)
    assert unfinished_reissues() == []  # a worker was rung for this moment
    Reissue.objects.update(confirmed_at=timezone.now() - SETTLE)
    assert unfinished_reissues() == [reissue.pk]
    assert selectors.unfinished_by_kind()["reissue"].waiting == 1
    finish_reissue(reissue)
    assert (unfinished_reissues(), selectors.unfinished_by_kind()["reissue"].waiting) == ([], 0)


def test_a_decided_one_is_not_put_away(by):
    reissue = reissued(finished_case(by, *live()), by)
    with pytest.raises(NotAllowed):
        services.cancel_reissue(reissue_id=reissue.pk, by=by)


def test_nobody_else_is_touched(by):
    """A grant of somebody else in the same phase keeps what it has."""
    key = live()[0]
    beside = live(grant__application__phase=key.grant.phase, grant__holder=UserFactory())[0]
    reissued(finished_case(by, key), by)
    assert list(beside.grant.credentials.values_list("pk", "status")) == [(beside.pk, "active")]
    assert again(beside.grant).new_keys_allowed_at is None
