"""Freezes with real threads and row locks, and with the broker gone."""

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from portal.audit.models import Event
from portal.credentials.models import Freeze
from portal.credentials.services import ask_to_lift, keep_freeze, lift_freeze, place_freeze
from portal.credentials.verification import verify
from portal.errors import NotAllowed
from tests.factories import stories
from tests.factories.accounts import PASSWORD, StaffFactory
from tests.factories.freezes import from_a_prompt, place, responder
from tests.faults.locks import held, somebody_waits_for_a_lock
from tests.journeys.visitor import Visitor
from tests.processes import finished, portal_environment, until, web

pytestmark = pytest.mark.django_db(transaction=True)
NOWHERE = "redis://127.0.0.1:1/0"
EVERYTHING = {"level": "everything", "target": "", "reason": "Seen in a dump."}


def kinds():
    return sorted(Event.objects.filter(kind__startswith="freeze.").values_list("kind", flat=True))


def test_twenty_who_freeze_the_same_place_one(concurrently):
    people = [responder() for _ in range(20)]
    freezes = concurrently(*(partial(place_freeze, **EVERYTHING, by=by) for by in people))
    assert {freeze.pk for freeze in freezes} == {Freeze.objects.get().pk}
    assert kinds() == ["freeze.placed"]


def test_a_second_prompt_waits_for_the_first_and_is_told_its_freeze(concurrently):
    with ThreadPoolExecutor(1) as pool:
        with held(from_a_prompt):
            second = pool.submit(lambda: concurrently(from_a_prompt))
            until(somebody_waits_for_a_lock)
        assert second.result(timeout=30) == [Freeze.objects.get().ref]
    assert kinds() == ["freeze.placed"]


def test_of_many_who_lift_one_does(concurrently):
    freeze = place()
    ask_to_lift(freeze_id=freeze.pk, by=responder())
    people = [responder() for _ in range(10)]
    said = concurrently(*(partial(lift_freeze, freeze_id=freeze.pk, by=by) for by in people))
    refused = [each for each in said if isinstance(each, Exception)]
    assert [(type(each), each.code) for each in refused] == [(NotAllowed, "lifted")] * 9
    assert kinds() == ["freeze.lift_asked", "freeze.lifted", "freeze.placed"]


def test_of_two_who_ask_one_is_the_first(concurrently):
    freeze = place()
    people = [responder(), responder()]
    said = concurrently(*(partial(ask_to_lift, freeze_id=freeze.pk, by=by) for by in people))
    assert sorted(str(getattr(each, "code", "asked")) for each in said) == [
        "asked",
        "lift_asked",
    ]
    assert kinds() == ["freeze.lift_asked", "freeze.placed"]


def test_keeping_and_lifting_at_once_end_in_one_of_both(concurrently):
    freeze = place()
    ask_to_lift(freeze_id=freeze.pk, by=responder())
    said = concurrently(
        partial(lift_freeze, freeze_id=freeze.pk, by=responder()),
        partial(keep_freeze, freeze_id=freeze.pk, by=responder()),
    )
    (refused,) = [each for each in said if isinstance(each, Exception)]
    lifted = Freeze.objects.get().lifted_at is not None
    assert refused.code == ("lifted" if lifted else "lift_not_asked")
    assert len(kinds()) == 3


def from_a_page():
    return place_freeze(**EVERYTHING, by=responder()).ref


@pytest.mark.parametrize("place_again", [from_a_page, from_a_prompt])
def test_placed_while_being_lifted_it_is_in_force(concurrently, place_again):
    """Whoever freezes waits for the lift under way, and then freezes anew."""
    freeze, by, colleague = place(), responder(), responder()
    ask_to_lift(freeze_id=freeze.pk, by=by)
    with ThreadPoolExecutor(1) as pool:
        with held(partial(lift_freeze, freeze_id=freeze.pk, by=colleague)):
            placed = pool.submit(lambda: concurrently(place_again))
            until(somebody_waits_for_a_lock)
        (new,) = placed.result(timeout=30)
    assert new != freeze.ref
    assert [each.ref for each in Freeze.objects.filter(lifted_at=None)] == [new]


def test_under_a_second_with_a_dead_broker():
    credential, token = stories.claimed()
    person = StaffFactory()
    person.groups.set(responder().groups.all())
    with web("portal.wsgi:application", portal_environment(REDIS_URL=NOWHERE)) as address:
        browser = Visitor(address).get("/accounts/login/")
        browser.send({"login": person.email, "password": PASSWORD})
        page = browser.get("/admin/credentials/freeze/add/?level=everything")
        page.send({"reason": "Seen in a dump."})
    assert (browser.status, browser.took < 1) == (200, True)
    audience = credential.grant.phase.release.audience
    verdict = verify(token, audience=audience, scope=stories.STANDARD).verdict
    assert verdict.code == "frozen_everything"


def test_from_a_shell_with_web_worker_and_broker_dead():
    by = responder()
    env = portal_environment(REDIS_URL=NOWHERE)
    line = [sys.executable, "manage.py", "freeze"]

    def run(*words):
        return finished([*line, *words], env)

    done = run("everything", "--reason", "Seen in a dump.", "--by", by.email)
    ref = Freeze.objects.get().ref
    assert (done.returncode, done.stdout.split()[0]) == (0, ref), done.stderr
    listed = run("--list")
    assert (listed.returncode, listed.stdout.split()[0]) == (0, ref)
    refused = run("everything", "--reason", "x", "--by", "nobody@example.org")
    assert (refused.returncode, refused.stdout) == (1, "")
    told = "Nobody is known as nobody@example.org. Nothing was changed."
    assert refused.stderr == f"CommandError: {told}\n"
    assert run().returncode == 2
