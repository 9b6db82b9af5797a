"""Confirming a case while the web process dies, colleagues confirm, and keys come to life."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import pytest

from portal.credentials.models import Credential, Revocation
from portal.credentials.services import (
    approve_revocation,
    claim_credential,
    issue_credential,
    preview_revocation,
    request_credential,
    rotate_credential,
    start_revocation,
)
from portal.credentials.targets import Selector
from portal.credentials.verification import explain_many
from portal.errors import DomainError
from tests.factories import stories
from tests.faults.incidents import (
    assert_all_told_once,
    assert_nothing_revoked,
    codes,
    confirm,
    keys_of,
    preview,
    typed,
    until_completed,
)
from tests.faults.locks import held, somebody_waits_for_a_lock
from tests.faults.test_races import count, sorted_by_kind
from tests.journeys import whole_story as story
from tests.processes import kill, portal_environment, server, until, web

pytestmark = pytest.mark.django_db(transaction=True)


def previewed_by(visitor, phase):
    visitor.get("/admin/credentials/revocation/add/")
    visitor.send({"title": "Leaked", "phase": phase.ref, "reason": "incident"})
    story.prove_identity(visitor)
    return Revocation.objects.get()


def in_words(case):
    """What a person types; the page brings the digest along."""
    return {name: value for name, value in typed(case).items() if name != "digest"}


def test_a_web_process_killed_while_it_confirms_revokes_none_and_the_next_all(worker):
    phase = stories.open_phase()
    made = keys_of(phase, 3)
    with server("portal.wsgi:application", portal_environment()) as (address, running):
        ines = story.staff(SimpleNamespace(address=address), "incident_responder")
        case = previewed_by(ines, phase)
        key = made[1][0]
        row = Credential.objects.select_for_update()
        with held(lambda: row.get(pk=key.pk)), ThreadPoolExecutor() as pool:
            answer = pool.submit(ines.twin().send, in_words(case))
            until(somebody_waits_for_a_lock)
            kill(running)
            assert isinstance(answer.exception(), OSError)
    assert_nothing_revoked(made)
    assert stories.again(case).status == "previewed"

    with web("portal.wsgi:application", portal_environment()) as address:
        ines.address = address
        ines.get(f"/admin/credentials/revocation/{case.ref}/change/")
        ines.send(in_words(case))
    assert codes(made) == {"key_revoked": 3}
    worker.start()
    until_completed(case)
    assert_all_told_once(case, made, partners=3)


@pytest.mark.parametrize("people", [1, 2])
def test_whoever_confirms_at_once_confirms_once(concurrently, people):
    phase, by = stories.open_phase(), [stories.responder() for _ in range(2)]
    made = keys_of(phase, 3)
    case = preview(phase, by[0])
    acts = [partial(confirm, case, by[n % people]) for n in range(4)]
    done, refused = sorted_by_kind(concurrently(*acts))
    assert (len(done), [error.code for error in refused]) == (1, ["not_previewed"] * 3)
    assert count("revocation.confirmed") == 1
    assert codes(made) == {"key_revoked": 3}


def test_where_two_are_needed_the_second_is_one_and_never_the_first(concurrently, monkeypatch):
    monkeypatch.setattr("portal.credentials.selectors.MANY", 2)
    monkeypatch.setattr("portal.credentials.selectors.MANY_OF_ALL", 0.01)
    phase, by = stories.open_phase(), [stories.responder() for _ in range(3)]
    made = keys_of(phase, 3)
    case = preview(phase, by[0])
    asked, late = sorted_by_kind(concurrently(*[partial(confirm, case, by[0])] * 2))
    assert (len(asked), [error.code for error in late]) == (1, ["not_previewed"])
    assert_nothing_revoked(made)
    second = partial(approve_revocation, revocation_id=case.pk, **typed(case))
    done, refused = sorted_by_kind(concurrently(*(partial(second, by=each) for each in by)))
    assert [each.confirmed_by in by[1:] for each in done] == [True]
    assert {error.code for error in refused} <= {"same_person", "not_previewed"}
    assert (count("revocation.second_asked"), count("revocation.confirmed")) == (1, 1)
    assert codes(made) == {"key_revoked": 3}


# --- What comes to life between looking and confirming ----------------------------------------
def another_is_issued(key, slot):
    request_credential(grant_id=key.grant_id, by=key.grant.holder)
    issue_credential(grant_id=key.grant_id, by=stories.WORKER)


def one_is_rotated(key, slot):
    rotate_credential(kid=key.kid, by=key.grant.holder)


def one_is_claimed(key, slot):
    claim_credential(kid=slot.kid, by=slot.grant.holder)


GROWS = {another_is_issued: True, one_is_rotated: True, one_is_claimed: False}


def access():
    kids = list(Credential.objects.values_list("kid", flat=True))
    return [kid for kid, said in explain_many(kids).items() if said]


@pytest.mark.parametrize("birth", GROWS)
def test_what_comes_to_life_after_the_preview_is_dead_or_nothing_is(birth):
    phase, by = stories.open_phase(), stories.responder()
    key, _token = stories.claimed(phase=phase)
    slot = stories.ready(phase=phase)
    case = preview(phase, by)
    birth(key, slot)
    works = len(access())
    if GROWS[birth]:
        with pytest.raises(DomainError) as refusal:
            confirm(case, by)
        assert (refusal.value.code, len(access())) == ("preview_grew", works)
        case = preview(phase, by)
    confirm(case, by)
    assert access() == []
    assert not Credential.objects.filter(status__in=["requested", "ready", "active"]).exists()


@pytest.mark.parametrize("birth", GROWS)
@pytest.mark.parametrize("round_", range(3))
def test_what_comes_to_life_in_that_moment_is_dead_or_nothing_is(concurrently, birth, round_):
    phase, by = stories.open_phase(), stories.responder()
    key, _token = stories.claimed(phase=phase)
    slot = stories.ready(phase=phase)
    case = preview(phase, by)
    _done, refused = sorted_by_kind(
        concurrently(partial(birth, key, slot), partial(confirm, case, by))
    )
    codes = {error.code for error in refused}
    assert len(refused) <= 1
    assert bool(access()) == (codes == {"preview_grew"})
    assert count("revocation.confirmed") == (codes != {"preview_grew"})


# --- What was looked at is what is confirmed --------------------------------------------------
def test_another_preview_s_digest_confirms_nothing():
    phase, by = stories.open_phase(), stories.responder()
    made = keys_of(phase, 2)
    case = preview(phase, by)
    given = typed(case) | {"digest": "0" * 64}
    with pytest.raises(DomainError) as refusal:
        start_revocation(revocation_id=case.pk, by=by, **given)
    assert refusal.value.code == "digest_changed"
    assert_nothing_revoked(made)


def test_a_selector_that_matches_nothing_makes_no_case():
    stories.claimed()
    empty, by = stories.open_phase(), stories.responder()
    with pytest.raises(DomainError) as refusal:
        preview(empty, by)
    assert (refusal.value.code, Revocation.objects.exists()) == ("nothing_hit", False)


def test_a_selector_that_matches_everything_hits_every_key_and_takes_two():
    """A critical key is among them."""
    phase, by, second = stories.open_phase(), stories.responder(), stories.responder()
    made = keys_of(phase, 2)
    critical = (stories.STANDARD, stories.CRITICAL)
    made.append(stories.claimed(phase=phase, scopes=critical))
    case = preview_revocation(
        selector=Selector(release=phase.release.ref), reason="incident", note="", by=by
    )
    assert (case.count, confirm(case, by).status) == (3, "awaiting_second")
    assert_nothing_revoked(made)
    approve_revocation(revocation_id=case.pk, by=second, **typed(case))
    assert codes(made) == {"key_revoked": 3}
