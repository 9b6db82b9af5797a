"""Re-issues: when it takes two people, as the services and the database count."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.credentials import reissuable, services
from portal.credentials.enums import ReissueItemStatus as I
from portal.credentials.models import Reissue, ReissueItem
from portal.errors import Conflict, NotAllowed
from tests.factories.cases import (
    finish_reissue,
    finished_case,
    preview_reissue,
    reissued,
    start_reissue,
    typed,
)
from tests.factories.credentials import GrantFactory
from tests.factories.programs import CapabilityFactory
from tests.factories.stories import again, responder
from tests.unit.credentials.test_reissuing import live

pytestmark = pytest.mark.django_db


@pytest.fixture
def few(monkeypatch):
    """More than two are many; the database has its own figure (test_the_database_...)."""
    monkeypatch.setattr(reissuable, "is_large", lambda slots: slots > 2)


def test_two_confirm_what_the_case_needed_two_for(by):
    CapabilityFactory(
        scope="model:infer", tier="critical", release=(key := live()[0]).grant.phase.release
    )
    case = finished_case(by, key, second=responder())
    assert case.needs_second
    reissue = start_reissue(preview_reissue(case, by), by)
    assert (reissue.status, reissue.asked_by) == ("awaiting_second", by)
    with pytest.raises(NotAllowed) as no:
        services.approve_reissue(reissue_id=reissue.pk, by=by, **typed(reissue))
    assert no.value.code == "same_person"
    with pytest.raises(Conflict):
        start_reissue(reissue, responder())
    assert finish_reissue(reissue) == 0
    services.approve_reissue(reissue_id=reissue.pk, by=responder(), **typed(reissue))
    finish_reissue(reissue)
    assert again(reissue).status == "completed"


def test_a_grant_wider_than_its_dead_key_needs_two(by):
    key = live(grant__scopes=["model:infer", "cyber:x"], scopes=["model:infer"])[0]
    CapabilityFactory(scope="cyber:x", tier="critical", release=key.grant.phase.release)
    case = finished_case(by, key)
    assert (case.needs_second, preview_reissue(case, by).needs_second) == (False, True)


def test_a_scope_that_its_release_does_not_know_needs_two(by):
    key = live()[0]
    case = finished_case(by, key)
    reissue = preview_reissue(case, by)
    assert not reissue.needs_second
    services.cancel_reissue(reissue_id=reissue.pk, by=by)
    key.grant.phase.release.capabilities.all().delete()
    assert preview_reissue(case, by).needs_second


def test_many_small_ones_are_one_large_one(by, few):
    keys = live(4)
    case = finished_case(by, *keys)
    rest = [{key.kid: "later" for key in keys if key not in some} for some in (keys[:2], keys[2:])]
    first, second = (preview_reissue(case, by, exclusions=spared) for spared in rest)
    assert (first.needs_second, second.needs_second) == (False, True)
    # The first was looked at when it was alone; now it is not.
    assert start_reissue(first, by).status == "awaiting_second"
    services.cancel_reissue(reissue_id=second.pk, by=by)
    third = preview_reissue(case, by, exclusions=rest[1])
    services.cancel_reissue(reissue_id=first.pk, by=by)
    # What was dropped counts no more, but what was once found to need two goes on needing two.
    assert start_reissue(third, by).status == "awaiting_second"
    services.cancel_reissue(reissue_id=third.pk, by=by)
    assert start_reissue(preview_reissue(case, by, exclusions=rest[1]), by).status == "running"


def test_what_has_been_reissued_goes_on_counting(by, few):
    keys = live(3)
    case = finished_case(by, *keys)
    reissued(case, by, exclusions={keys[2].kid: "later"})
    assert preview_reissue(case, by).needs_second


def test_the_database_refuses_one_person_where_the_case_needed_two(by):
    CapabilityFactory(
        scope="model:infer", tier="critical", release=(key := live()[0]).grant.phase.release
    )
    reissue = preview_reissue(finished_case(by, key, second=responder()), by)
    now = timezone.now()
    confirmed = {
        "status": "running",
        "confirmed_at": now,
        "confirmed_by": by,
        "needs_second": False,
    }
    asked = {"asked_at": now, "asked_by": by, "asked_digest": reissue.digest}
    mine = Reissue.objects.filter(pk=reissue.pk)
    for given in ({}, asked):
        with pytest.raises(IntegrityError, match="needs two people"), transaction.atomic():
            mine.update(**confirmed, **given)
    assert mine.update(**confirmed, **asked | {"asked_by": responder()}) == 1
    with pytest.raises(IntegrityError, match="needs two people"), transaction.atomic():
        mine.update(asked_by=by)


@pytest.mark.parametrize("how", ["has become critical", "its release does not know it"])
def test_the_database_refuses_one_person_where_a_grant_reaches_what_is_critical(by, how):
    """The dead key did not, and nor did the case."""
    key = live(grant__scopes=["model:infer", "cyber:x"], scopes=["model:infer"])[0]
    wide = CapabilityFactory(scope="cyber:x", tier="elevated", release=key.grant.phase.release)
    reissue, harmless = (preview_reissue(finished_case(by, each), by) for each in (key, live()[0]))
    assert not reissue.needs_second
    if how == "has become critical":
        type(wide).objects.filter(pk=wide.pk).update(tier="critical")
    else:
        wide.delete()
    confirmed = {"status": "running", "confirmed_at": timezone.now(), "confirmed_by": by}
    mine = Reissue.objects.filter(pk=reissue.pk)
    with pytest.raises(IntegrityError, match="needs two people"), transaction.atomic():
        mine.update(**confirmed)
    assert Reissue.objects.filter(pk=harmless.pk).update(**confirmed) == 1
    asked = {"asked_at": timezone.now(), "asked_by": responder(), "asked_digest": reissue.digest}
    assert mine.update(**confirmed, **asked) == 1


def test_what_is_left_out_makes_no_re_issue_critical(by):
    keys = live(2)
    CapabilityFactory(scope="cyber:x", tier="elevated", release=keys[1].grant.phase.release)
    type(keys[1].grant).objects.filter(pk=keys[1].grant_id).update(scopes=["cyber:x"])
    case = finished_case(by, *keys)
    reissue = preview_reissue(case, by, exclusions={keys[1].kid: "later"})
    keys[1].grant.phase.release.capabilities.filter(scope="cyber:x").update(tier="critical")
    assert start_reissue(reissue, by).status == "running"


def test_the_database_counts_over_all_reissues_of_the_case(by):
    """501 slots in two re-issues: neither is large by itself."""
    key, *_ = keys = live(2)
    case = finished_case(by, *keys)
    first = preview_reissue(case, by, exclusions={keys[1].kid: "later"})
    second = preview_reissue(case, by)
    application = key.grant.application
    grants = [GrantFactory(application__phase=application.phase) for _ in range(499)]
    ReissueItem.objects.bulk_create(
        ReissueItem(reissue=second, revocation=case, grant=grant, credential=key, status=I.CHOSEN)
        for grant in grants
    )
    confirmed = {"status": "running", "confirmed_at": timezone.now(), "confirmed_by": by}
    for reissue in (first, second):
        with pytest.raises(IntegrityError, match="needs two people"), transaction.atomic():
            Reissue.objects.filter(pk=reissue.pk).update(**confirmed, needs_second=False)
    second.items.filter(grant=grants[0]).update(status=I.DROPPED)
    assert Reissue.objects.filter(pk=first.pk).update(**confirmed) == 1


def test_the_database_lets_nothing_be_added_to_what_is_confirmed(by):
    key, spared = live(2)
    reissue = preview_reissue(finished_case(by, key, spared), by, exclusions={spared.kid: "no"})
    start_reissue(reissue, by)
    new = ReissueItem(
        reissue=reissue,
        revocation=reissue.revocation,
        grant=GrantFactory(),
        credential=key,
        status=I.CHOSEN,
    )
    left_out = reissue.items.filter(status=I.LEFT_OUT)
    for add in (new.save, lambda: left_out.update(status=I.CHOSEN)):
        with pytest.raises(IntegrityError, match="no grant is added"), transaction.atomic():
            add()
