"""What is noted is written down once, under names from our own code only."""

import threading

import pytest

from portal.credentials.enums import DenyCode
from portal.metrics import counted, note_decision, note_request, note_task
from tests.processes import until


def value(name, **labels):
    return counted.COUNTED.get_sample_value(name, labels) or 0


@pytest.fixture
def grown():
    """`with grown(name, **labels) as by:` and afterwards `by()` is how much it has grown."""

    def watch(name, **labels):
        counted.write_down()
        before = value(name, **labels)
        return lambda: value(name, **labels) - before

    return watch


def test_a_decision_counts_once_by_door_and_code(grown):
    by = grown("access_decisions_total", door="introspect", code="key_revoked")
    other = grown("access_decisions_total", door="authorize", code="key_revoked")
    note_decision(door="introspect", code=DenyCode.KEY_REVOKED, seconds=0.001)
    counted.write_down()
    counted.write_down()
    assert (by(), other()) == (1, 0)


def test_it_is_written_down_though_nobody_asks(grown):
    by = grown("access_decisions_total", door="token", code="allowed")
    note_decision(door="token", code="allowed", seconds=0.001)
    until(lambda: by() == 1)


def test_what_many_threads_note_at_once_is_all_counted(grown):
    by = grown("access_decisions_total", door="introspect", code="allowed")

    def note():
        for _ in range(500):
            note_decision(door="introspect", code="allowed", seconds=0.001)
            counted.write_down()

    threads = [threading.Thread(target=note) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    counted.write_down()
    assert by() == 2000


@pytest.mark.parametrize(
    "code", ["tpk_live_0123456789abcdef_secret", "", "GRT-1", "ada@example.org"]
)
def test_what_is_no_code_of_ours_is_told_as_other(grown, code):
    by = grown("access_decisions_total", door="introspect", code="other")
    note_decision(door="introspect", code=code, seconds=0.001)
    counted.write_down()
    assert by() == 1
    assert code == "" or code not in str(list(counted.COUNTED.collect()))


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0, "0.0002"), (0.0002, "0.0002"), (0.00021, "0.0005"), (5.0, "5.0"), (5.1, "+Inf")],
)
def test_how_long_it_took_falls_into_the_first_bucket_that_holds_it(grown, seconds, bucket):
    bounds = [*map(float, counted._QUICK), float("inf")]
    before = bounds[bounds.index(float(bucket)) - 1] if bucket != "0.0002" else None
    name = "access_decision_seconds"
    into = grown(f"{name}_bucket", door="sandbox", le=bucket)
    below = grown(f"{name}_bucket", door="sandbox", le=str(before))
    count, total = grown(f"{name}_count", door="sandbox"), grown(f"{name}_sum", door="sandbox")
    note_decision(door="sandbox", code="allowed", seconds=seconds)
    counted.write_down()
    assert (into(), below(), count(), total()) == (1, 0, 1, pytest.approx(seconds))


def test_a_page_counts_by_class_of_its_answer(grown):
    by = grown("portal_web_requests_total", view="home", status="2xx")
    took = grown("portal_web_request_seconds_count", view="home")
    note_request(view="home", status=204, seconds=0.02)
    assert (by(), took()) == (1, 1)


def test_a_killed_task_counts_and_took_nobody_knows_how_long(grown):
    by = grown("portal_tasks_total", task="mail.deliver", outcome="killed")
    took = grown("portal_task_seconds_count", task="mail.deliver")
    note_task(task="mail.deliver", outcome="killed", seconds=None)
    assert (by(), took()) == (1, 0)


def full(*_labels):
    raise OSError(28, "No space left on device")


def test_a_folder_that_takes_nothing_costs_nobody_a_page_or_a_task(monkeypatch, caplog):
    monkeypatch.setattr(counted.REQUESTS, "labels", full)
    monkeypatch.setattr(counted.TASKS, "labels", full)
    note_request(view="home", status=200, seconds=0.1)
    note_task(task="mail.deliver", outcome="succeeded", seconds=0.1)
    assert [message.partition(" is ")[2] for message in caplog.messages] == [
        "not counted: OSError"
    ] * 2


def test_nor_does_it_end_the_thread_that_writes(monkeypatch, caplog, grown):
    by = grown("access_decisions_total", door="introspect", code="allowed")
    with monkeypatch.context() as patch:
        patch.setattr(counted.DECISIONS, "labels", full)
        note_decision(door="introspect", code="allowed", seconds=0.001)
        until(lambda: caplog.messages == ["decisions are not counted: OSError"])
    note_decision(door="introspect", code="allowed", seconds=0.001)
    until(lambda: by() == 1)


def test_every_reason_to_refuse_has_a_name():
    assert set(DenyCode.values) < counted.CODES
