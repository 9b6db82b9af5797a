"""Notes kept in memory until a thread writes them."""

import threading

import pytest
from django.db import OperationalError

from portal import batches
from portal.batches import Batch, Writer


def test_of_several_notes_the_last_counts_and_each_is_written_once():
    batch, written = Batch(10), []
    for about, value in (("a", 1), ("b", 2), ("a", 3)):
        batch.note(about, value)
    assert batch.write(written.append, at_once=10) == 2
    assert (written, len(batch)) == ([{"a": 3, "b": 2}], 0)
    assert batch.write(written.append, at_once=10) == 0


def test_so_many_at_once():
    batch, written = Batch(10), []
    for number in range(5):
        batch.note(str(number), number)
    assert batch.write(written.append, at_once=2) == 5
    assert [len(each) for each in written] == [2, 2, 1]


def test_it_never_holds_more_than_it_may():
    batch = Batch(2)
    for number in range(5):
        batch.note(str(number), number)
    batch.note("1", 11)  # known, so there is room
    assert batch.take(9) == {"0": 0, "1": 11}


def test_what_could_not_be_written_is_kept_but_for_what_is_newer():
    batch = Batch(3)
    for about in "abc":
        batch.note(about, 1)

    def fail(taken):
        batch.note("a", 2)
        raise OperationalError

    with pytest.raises(OperationalError):
        batch.write(fail, at_once=3)
    assert batch.take(9) == {"a": 2, "b": 1}  # and of three there was room for two


def test_many_threads_lose_no_note():
    batch, written = Batch(100_000), []
    noting = [
        threading.Thread(
            target=lambda name=name: [batch.note(f"{name}{n}", n) for n in range(2000)]
        )
        for name in "abcd"
    ]
    for thread in noting:
        thread.start()
    while any(thread.is_alive() for thread in noting):
        batch.write(written.append, at_once=100)
    batch.write(written.append, at_once=100)
    assert sum(len(each) for each in written) == len({k for each in written for k in each}) == 8000


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(batches, "EVERY", 0.01)
    monkeypatch.setattr(batches, "IDLE", 0.01)
    batches._noted.clear()


def running(*flushes):
    writer = Writer(*flushes)
    writer.start()
    return writer


def test_the_thread_writes_what_is_noted_and_what_is_left_when_it_ends(quick):
    batch, seen, wrote = Batch(10), [], threading.Event()

    def flush():
        if batch.write(seen.append, at_once=10):
            wrote.set()

    writer = running(flush)
    batch.note("a", 1)
    assert wrote.wait(20)
    batch.note("b", 2)
    writer.stop()
    assert (seen, writer.is_alive) == ([{"a": 1}, {"b": 2}], False)


@pytest.mark.parametrize("error", [OperationalError, ValueError])
def test_a_flush_that_fails_ends_nothing(quick, error, caplog):
    batch, tried, wrote = Batch(10), [], threading.Event()

    def store(taken):
        tried.append(taken)
        if len(tried) == 1:
            raise error
        wrote.set()

    writer = running(lambda: batch.write(store, at_once=10))
    batch.note("a", 1)
    if error is ValueError:  # lost with the batch that held it
        while not tried:
            batch._changing.acquire(timeout=0.01) and batch._changing.release()
        batch.note("b", 2)
    assert wrote.wait(20)
    writer.stop()
    assert tried == [{"a": 1}, {"a": 1} if error is OperationalError else {"b": 2}]
    assert "written" in caplog.text
