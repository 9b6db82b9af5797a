"""What the portal says once a second, and when it is believed."""

import time

import pytest
from asking import INFER, code, problem
from portal_double import NOON, SNAPSHOT

from access_verifier import Code

# --- Freezes and epochs -------------------------------------------------------------------------

LEVELS = {
    "everything": "",
    "release": "rel_1",
    "phase": "pha_1",
    "organization": "org_1",
    "person": "usr_1",
}


def subject(level, ref):
    return level if level == "everything" else f"{level}:{ref}"


@pytest.mark.parametrize(("level", "ref"), LEVELS.items())
def test_a_freeze_at_each_level_refuses_and_lifting_it_lets_in(portal, verifier, clock, level, ref):
    token = portal.token()
    portal.freezes = [{"level": level, "ref": ref, "since": NOON}]
    clock.advance(1)
    assert verifier.poll_once()
    verdict = verifier.verify(token, INFER)
    assert (verdict.code, verdict.level) == (Code.FROZEN, level)
    portal.freezes = []
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, token) == Code.ALLOWED


@pytest.mark.parametrize("level", sorted(LEVELS.keys() - {"everything"}))
def test_a_freeze_of_another_refuses_nobody_else(portal, verifier, clock, level):
    others = [{"level": level, "ref": ref} for ref in ("other", "usr_", "usr_11", "-")]
    portal.freezes = others
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, portal.token()) == Code.ALLOWED


def test_levels_do_not_mix(portal, verifier, clock):
    portal.freezes = [{"level": "phase", "ref": "usr_1"}, {"level": "person", "ref": "pha_1"}]
    portal.epochs = {"key:usr_1": NOON + 9, "person:key1": NOON + 9, "grant:key1": NOON + 9}
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, portal.token()) == Code.ALLOWED


def test_a_person_on_their_own_is_in_no_organisation(portal, verifier, clock):
    portal.freezes = [{"level": "organization", "ref": ref} for ref in ("None", "-", "null")]
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, portal.token(organization=None)) == Code.ALLOWED


SUBJECTS = [*map(subject, LEVELS, LEVELS.values()), "grant:grt_1", "key:key1"]


@pytest.mark.parametrize("about", SUBJECTS)
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOON - 1, Code.ALLOWED),
        (NOON - 0.001, Code.ALLOWED),
        (NOON, Code.REVOKED),
        (NOON + 0.9, Code.REVOKED),
        (NOON + 1, Code.REVOKED),
    ],
)
def test_an_epoch_refuses_what_was_issued_up_to_its_second(
    portal, verifier, clock, about, at, expected
):
    token = portal.token()
    portal.epochs = {about: at}
    clock.advance(1)
    assert verifier.poll_once()
    verdict = verifier.verify(token, INFER)
    level = about.partition(":")[0] if expected is Code.REVOKED else ""
    assert (verdict.code, verdict.level) == (expected, level)


def test_a_token_issued_in_the_second_of_the_epoch_is_refused_and_the_next_is_not(
    portal, verifier, clock
):
    portal.epochs = {"key:key1": NOON + 1.2}
    clock.advance(1)
    assert verifier.poll_once()
    assert code(verifier, portal.token(iat=NOON + 1)) == Code.REVOKED
    assert code(verifier, portal.token(iat=NOON + 1.9)) == Code.REVOKED
    assert code(verifier, portal.token(iat=NOON + 2)) == Code.ALLOWED


# --- Age, and the time it is --------------------------------------------------------------------


def test_before_the_first_word_nobody_is_let_in(portal, make_verifier):
    verifier = make_verifier()
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE
    assert verifier.health() == {
        "ready": False,
        "snapshot_age": None,
        "snapshot_version": None,
        "keys": 0,
        "problems": {},
    }


def test_word_older_than_fifteen_seconds_lets_nobody_in(portal, verifier, clock):
    token = portal.token(exp=NOON + 60)
    clock.advance(14.99)
    assert code(verifier, token) == Code.ALLOWED
    assert verifier.health()["ready"]
    clock.advance(0.02)
    assert code(verifier, token) == Code.SNAPSHOT_STALE
    assert code(verifier, "junk") == Code.SNAPSHOT_STALE
    assert not verifier.health()["ready"]
    assert verifier.poll_once()
    assert code(verifier, token) == Code.ALLOWED


def test_it_can_be_had_fresher(portal, make_verifier, clock):
    verifier = make_verifier(oldest=4)
    assert verifier.poll_once()
    clock.advance(4)
    assert code(verifier, portal.token()) == Code.ALLOWED
    clock.advance(0.01)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_the_portal_may_say_that_its_word_holds_for_less(portal, make_verifier, clock):
    verifier = make_verifier()
    portal.more = {"exp": NOON + 3}
    assert verifier.poll_once()
    clock.advance(2.99)
    assert code(verifier, portal.token()) == Code.ALLOWED
    clock.advance(0.01)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_the_portal_cannot_say_that_it_holds_for_longer(portal, make_verifier, clock):
    verifier = make_verifier()
    portal.more = {"exp": NOON + 3600}
    assert verifier.poll_once()
    clock.advance(15.01)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_age_is_counted_from_the_question(portal, verifier, clock):
    """An answer that was long under way is as old as the question."""

    def slow(handler):
        nonce = handler.path.partition("nonce=")[2]
        body = portal.snapshot(nonce)
        clock.advance(10)
        handler.answer(body)

    portal.faults[SNAPSHOT] = slow
    clock.advance(1)
    assert verifier.poll_once()
    assert verifier.health()["snapshot_age"] == pytest.approx(10)
    clock.advance(5.01)
    assert code(verifier, portal.token()) == Code.SNAPSHOT_STALE


def test_an_answer_that_took_too_long_is_none(portal, make_verifier, clock):
    def slow(handler):
        body = portal.snapshot(handler.path.partition("nonce=")[2])
        clock.advance(16)
        handler.answer(body)

    verifier = make_verifier()
    portal.faults[SNAPSHOT] = slow
    assert not verifier.poll_once()
    assert problem(verifier) == "too old when it arrived"


@pytest.mark.parametrize("wrong_by", [-600, 600, -(10**9), 10**9])
def test_a_wrong_clock_at_the_gateway_changes_nothing(
    portal, make_verifier, clock, monkeypatch, wrong_by
):
    """Whatever the wall clock says, and whatever it is set to meanwhile."""
    really = time.time
    monkeypatch.setattr(time, "time", lambda: really() + wrong_by)
    verifier = make_verifier()
    assert verifier.poll_once()
    token = portal.token()
    assert code(verifier, token) == Code.ALLOWED
    monkeypatch.setattr(time, "time", lambda: really() - wrong_by)
    assert code(verifier, token) == Code.ALLOWED
    assert code(verifier, portal.token(iat=NOON - 60, exp=NOON - 5)) == Code.EXPIRED
    clock.advance(1)
    portal.epochs = {"key:key1": NOON + 1}
    assert verifier.poll_once()
    assert code(verifier, token) == Code.REVOKED
    clock.advance(15.1)
    assert code(verifier, token) == Code.SNAPSHOT_STALE


def test_time_passes_between_snapshots(portal, verifier, clock):
    token = portal.token(exp=NOON + 5)
    clock.advance(9.9)
    assert code(verifier, token) == Code.ALLOWED  # with the leeway
    clock.advance(0.1)
    assert code(verifier, token) == Code.EXPIRED
