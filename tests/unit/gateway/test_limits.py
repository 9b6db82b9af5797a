"""How failures are counted: by each process alone, and together in the cache's table."""

import time
from types import SimpleNamespace

import pytest
from django.core.cache import cache

from portal.gateway import limits
from portal.gateway.limits import MOST_ADDRESSES, MOST_FAILURES, TOLD_EVERY, Failures
from tests.queries import no_database

pytestmark = pytest.mark.django_db
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The time, which stands still unless set: nine seconds into this minute."""
    now = [time.time() // 60 * 60 + 9]
    monkeypatch.setattr(limits, "time", SimpleNamespace(time=lambda: now[0]))
    return now


@pytest.fixture
def one():
    return Failures()


@pytest.fixture
def other():
    """A second process."""
    return Failures()


def fail(process, times, address=HERE):
    return [process.wait_after(address) for _ in range(times)]


def test_so_many_pass_and_the_next_is_told_until_the_minute_is_over(one, clock):
    assert fail(one, MOST_FAILURES + 2) == [0] * MOST_FAILURES + [51, 51]
    assert fail(one, 1, ELSEWHERE) == [0]
    clock[0] += 51
    assert fail(one, 1) == [0]


def test_nothing_is_asked_but_at_every_tenth_and_nothing_beyond_the_limit(
    one, django_assert_num_queries
):
    with django_assert_num_queries(0):
        fail(one, TOLD_EVERY - 1)
        for number in range(1000):
            fail(one, 1, f"198.51.100.{number}")
    with django_assert_num_queries(2) as asked:
        fail(one, 1)
    assert all('"cache"' in each["sql"] for each in asked)
    fail(one, MOST_FAILURES - TOLD_EVERY)
    with django_assert_num_queries(0):
        assert all(fail(one, 1000))


def test_two_processes_count_together(one, other):
    assert not any(fail(one, MOST_FAILURES))
    # It learns of that when it first tells of its own.
    assert fail(other, TOLD_EVERY + 1) == [0] * TOLD_EVERY + [51]


def test_in_turns_they_let_pass_hardly_more_than_one_alone(one, other):
    passed = sum(not each.wait_after(HERE) for _ in range(MOST_FAILURES) for each in (one, other))
    assert MOST_FAILURES <= passed <= MOST_FAILURES + TOLD_EVERY


@pytest.mark.django_db(transaction=True)
def test_without_the_table_each_counts_alone(one, other, clock):
    with no_database():
        assert fail(one, MOST_FAILURES + 1) == [0] * MOST_FAILURES + [51]
        assert not any(fail(other, MOST_FAILURES))
    assert cache.get(f"gateway:failed:{HERE}:{int(clock[0] // 60)}") is None


def test_too_many_addresses_make_room_and_what_was_told_is_learnt_again(one):
    fail(one, MOST_FAILURES)
    for number in range(MOST_ADDRESSES):
        one.wait_after(f"2001:db8::{number:x}")
    assert len(one._counts) == MOST_ADDRESSES
    assert fail(one, TOLD_EVERY + 1) == [0] * TOLD_EVERY + [51]
