"""The cache's table keeps what is in force and lets go of what has run out."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone

from portal.cached import forget_expired
from portal.tasks import forget

pytestmark = pytest.mark.django_db


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key FROM cache")
        return {key.rpartition(":")[2] for (key,) in cursor.fetchall()}


def let_run_out(*names, ago=timedelta(seconds=1)):
    keys = [cache.make_key(name) for name in names]
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE cache SET expires = %s WHERE cache_key = ANY(%s)", [timezone.now() - ago, keys]
        )


def test_nothing_in_force_is_dropped_for_want_of_room():
    names = {f"mark-{number:03}" for number in range(310)}
    for name in sorted(names):
        cache.set(name, 1)
    assert cache.touch("mark-000")
    assert stored() == names


def test_a_write_is_one_statement_however_many_rows_there_are(django_assert_num_queries):
    with django_assert_num_queries(4):
        assert cache.add("mark", 1)
        assert not cache.add("mark", 2)
        cache.set("mark", 3)
        assert cache.get("mark") == 3


def test_what_is_in_force_is_added_to_by_nobody_and_what_has_run_out_is_anybodys():
    assert cache.add("mark", 1, timeout=None)
    let_run_out("mark")
    assert (cache.get("mark"), cache.add("mark", 2), cache.get("mark")) == (None, True, 2)
    let_run_out("mark")
    assert (cache.add("mark", 3), cache.add("mark", 4), cache.get("mark")) == (True, False, 3)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_adds(concurrently):
    assert sorted(concurrently(*[lambda: cache.add("mark", 1)] * 5)) == [False] * 4 + [True]


def test_what_has_run_out_is_forgotten():
    for name in ("over", "lasts"):
        cache.set(name, 1)
    let_run_out("over")
    assert (forget_expired(), stored()) == (1, {"lasts"})
    assert (forget_expired(), stored()) == (0, {"lasts"})


def test_a_run_takes_so_many_at_most_and_the_oldest_first():
    for name in "abc":
        cache.set(name, 1)
    let_run_out("a", "c")
    let_run_out("b", ago=timedelta(hours=1))
    assert (forget_expired(most=1), stored()) == (1, {"a", "c"})
    assert (forget_expired(most=5), stored()) == (2, set())


def test_beat_has_it_done(settings):
    cache.set("over", 1)
    let_run_out("over")
    assert settings.CELERY_BEAT_SCHEDULE["forget-expired"]["task"] == forget.name
    forget()
    assert stored() == set()


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_nobody(concurrently):
    """A row somebody writes at this moment is left for the next run."""
    cache.set("written", 1)
    cache.set("over", 1)
    let_run_out("written", "over")
    with transaction.atomic(), connection.cursor() as cursor:
        key = cache.make_key("written")
        cursor.execute("UPDATE cache SET value = value WHERE cache_key = %s", [key])
        assert concurrently(forget_expired) == [1]
    assert stored() == {"written"}
