"""Counts on their way to the portal: gathered, sent once, and not lost on the way."""

import json
import logging
import threading
from datetime import date

import pytest

from portal.gateway import tally as module
from portal.gateway.tally import Tally, Used
from tests.processes import until

DAY, NEXT = date(2026, 5, 31), date(2026, 6, 1)


class Portal:
    """Stands in for the portal's door; answers with what the test says."""

    def __init__(self):
        self.reports, self.answers = [], []

    def __call__(self, body):
        self.reports.append(json.loads(body))
        return self.answers.pop(0) if self.answers else counted()


def counted(*not_counted):
    told = [{"entry": entry, "reason": reason} for entry, reason in not_counted]
    return 200, json.dumps({"not_counted": told}).encode()


@pytest.fixture
def portal():
    return Portal()


@pytest.fixture
def tally(portal):
    return Tally(portal, every=3600)


def entry(grant="GRT-A", day=DAY, requests=0, tokens=0, refused=0):
    counts = {"requests": requests, "tokens": tokens, "refused": refused}
    return {"grant": grant, "day": day.isoformat(), **counts}


def test_counts_are_added_up_by_grant_and_day(tally, portal):
    for used in (
        Used("GRT-A", DAY, requests=1, tokens=20),
        Used("GRT-B", DAY, requests=1),
        Used("GRT-A", DAY, requests=1, tokens=3),
        Used("GRT-A", DAY, refused=1),
        Used("GRT-A", NEXT, requests=1),
    ):
        tally.add(used)
    assert tally.flush()
    (report,) = portal.reports
    assert report["entries"] == [
        entry(requests=2, tokens=23, refused=1),
        entry("GRT-B", requests=1),
        entry(day=NEXT, requests=1),
    ]


def test_what_was_sent_is_not_sent_again_and_nothing_is_not_sent(tally, portal):
    tally.add(Used("GRT-A", DAY, requests=1))
    assert [tally.flush(), tally.flush()] == [True, True]
    assert len(portal.reports) == 1


@pytest.mark.parametrize(
    "answer",
    [None, (503, b"{}"), (500, b"<html>"), (401, b"{}"), (429, b"{}"), (200, b"somebody else")],
)
def test_the_same_report_is_sent_until_it_arrives(tally, portal, answer):
    tally.add(Used("GRT-A", DAY, requests=1))
    portal.answers = [answer, answer]
    assert not tally.flush()
    tally.add(Used("GRT-A", DAY, requests=5))  # meanwhile: for the next one
    assert not tally.flush()
    assert tally.flush()
    first, second, third, last = portal.reports
    assert first == second == third
    assert last["report"] != first["report"]
    assert last["entries"] == [entry(requests=5)]


@pytest.mark.parametrize("status", [400, 413])
def test_what_the_portal_will_never_take_is_given_up_and_told(tally, portal, status, caplog):
    tally.add(Used("GRT-A", DAY, requests=1))
    portal.answers = [(status, b'{"error": "invalid_request"}')]
    with caplog.at_level(logging.WARNING):
        assert tally.flush()
    assert tally.flush()
    assert len(portal.reports) == 1
    assert caplog.messages == [f"a usage report was answered with {status}"]


def test_a_day_that_has_not_begun_there_is_sent_again_later(tally, portal, caplog):
    """Our clock is ahead of the portal's."""
    tally.add(Used("GRT-A", DAY, requests=1))
    tally.add(Used("GRT-A", NEXT, requests=2, tokens=9))
    tally.add(Used("GRT-B", DAY, requests=4))
    portal.answers = [counted((1, "day_not_begun"), (2, "unknown_grant"))]
    with caplog.at_level(logging.WARNING):
        assert tally.flush()
    assert caplog.messages == ["usage the portal does not count: {'GRT-B': 'unknown_grant'}"]
    assert tally.flush()
    first, second = portal.reports
    assert second["report"] != first["report"]
    assert second["entries"] == [entry(day=NEXT, requests=2, tokens=9)]


def test_many_grants_take_many_reports(tally, portal, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 2)
    for name in "ABCDE":
        tally.add(Used(f"GRT-{name}", DAY, requests=1))
    assert tally.flush()
    assert [len(report["entries"]) for report in portal.reports] == [2, 2, 1]


def test_while_the_portal_is_away_memory_is_bounded(tally, portal, monkeypatch):
    monkeypatch.setattr(module, "MOST", 2)
    for name in "ABCB":
        tally.add(Used(f"GRT-{name}", DAY, requests=1))
    assert tally.flush()
    assert portal.reports[0]["entries"] == [
        entry("GRT-A", requests=1),
        entry("GRT-B", requests=2),
    ]


def test_calls_that_go_on_during_a_report_do_not_keep_it_going(tally, portal):
    def busy(body):
        tally.add(Used("GRT-A", DAY, requests=1))
        return portal(body)

    tally._send = busy
    tally.add(Used("GRT-A", DAY, requests=1))
    tally.flush()
    assert len(portal.reports) == 2


def test_it_sends_by_itself_and_goes_on_after_a_failure(portal, caplog):
    failed = threading.Event()

    def send(body):
        if not failed.is_set():
            failed.set()
            raise RuntimeError("odd")
        return portal(body)

    tally = Tally(send, every=0.01)
    with caplog.at_level(logging.ERROR):
        tally.add(Used("GRT-A", DAY, requests=1))
        until(lambda: portal.reports)
    tally._every = 3600  # its thread lives on
    assert portal.reports[0]["entries"] == [entry(requests=1)]
    assert caplog.messages == ["usage could not be reported"]


def test_threads_lose_nothing(tally, portal):
    def use():
        for _ in range(500):
            tally.add(Used("GRT-A", DAY, requests=1, tokens=2))
            tally.flush()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.flush()
    sent = [report["entries"][0] for report in portal.reports]
    assert sum(each["requests"] for each in sent) == 2000
    assert sum(each["tokens"] for each in sent) == 4000
    assert len({report["report"] for report in portal.reports}) == len(sent)
