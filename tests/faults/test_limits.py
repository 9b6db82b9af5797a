"""The Redis that limits are counted in, taken away in every way: calls are answered, in time."""

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import redis

from portal.embedded import process, valkey
from portal.gateway import metering, sandbox
from portal.gateway.metering import Allowance, Meter
from portal.gateway.sandbox import Checked
from tests.processes import until

BODY = json.dumps({"model": "aurora", "input": "Hello"}).encode()
SOON = 1.0  # second, for one call


@pytest.fixture
def engine(tmp_path):
    """A Valkey of this test's own: to stop, freeze, empty and fill."""
    with ExitStack() as stack:
        place = process.claim(tmp_path, "valkey", stack)
        url = valkey.start(place, "secret", stack, durable=False)
        pid = int(place.pid.read_text())
        stack.callback(_thaw, pid)
        client = stack.enter_context(redis.Redis.from_url(url, socket_timeout=5))
        yield SimpleNamespace(url=url, client=client, signal=lambda which: os.kill(pid, which))


def _thaw(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def silent():
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def black_hole(silent):
    return f"redis://:secret@127.0.0.1:{silent.getsockname()[1]}/0"


def may(requests=3, tokens=1000):
    return Allowance(f"GRT-{secrets.token_hex(4).upper()}", requests, tokens)


def timed(call):
    began = time.monotonic()
    return call(), time.monotonic() - began


def call(meter, allowed):
    """One call at the sandbox model; (its answer, whether it came soon)."""
    check = Checked(200, allowance=allowed)
    reply, took = timed(lambda: sandbox.respond(BODY, lambda _scope: check, meter))
    assert took < SOON
    return reply


def statuses(meter, allowed, calls):
    return [call(meter, allowed).status for _ in range(calls)]


def stop(engine):
    engine.signal(signal.SIGKILL)
    until(lambda: not answers(engine))


def answers(engine):
    try:
        return engine.client.ping()
    except redis.RedisError:
        return False


def freeze(engine):
    engine.signal(signal.SIGSTOP)


def fill(engine):
    engine.client.config_set("maxmemory", 1)  # and it throws nothing away


TAKEN_AWAY = [stop, freeze, fill]


@pytest.mark.parametrize("take_away", TAKEN_AWAY)
def test_open_goes_on_by_itself_and_is_never_unlimited(engine, take_away, caplog):
    meter, allowed = Meter(engine.url, fail="open"), may(requests=3)
    assert statuses(meter, allowed, 2) == [200, 200]
    take_away(engine)
    with caplog.at_level(logging.WARNING):
        assert statuses(meter, allowed, 4) == [200, 200, 200, 429]
    (said,) = caplog.messages  # once, however many calls
    assert said.endswith("each process counts by itself")
    assert "secret" not in said


@pytest.mark.parametrize("take_away", TAKEN_AWAY)
def test_closed_answers_nobody(engine, take_away):
    meter, allowed = Meter(engine.url, fail="closed"), may(requests=3)
    assert statuses(meter, allowed, 1) == [200]
    take_away(engine)
    for _ in range(3):
        reply = call(meter, allowed)
        assert (reply.status, reply.body["error"]["code"]) == (503, "limits_unavailable")
        assert reply.headers == {"Retry-After": "5"}
        assert reply.used is None


@pytest.mark.parametrize("fail", ["open", "closed"])
def test_a_silent_redis_costs_a_quarter_of_a_second_once_and_not_every_call(black_hole, fail):
    meter, allowed = Meter(black_hole, fail=fail), may(requests=1000)
    _, first = timed(lambda: call(meter, allowed))
    assert metering.PATIENCE <= first < SOON
    _, hundred = timed(lambda: statuses(meter, allowed, 100))
    assert hundred < SOON  # a hundred quarters are 25


def test_of_many_threads_one_tries_for_all(silent, black_hole):
    meter, allowed = Meter(black_hole), may(requests=1000)
    meter._breaker._rest = 0.5
    call(meter, allowed)
    assert connections(silent) == 1
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: call(meter, allowed), range(8)))
        assert connections(silent) == 0
        until(lambda: time.monotonic() >= meter._breaker._again_at)
        list(pool.map(lambda _: call(meter, allowed), range(8)))
    assert connections(silent) == 1


def connections(server):
    """How many have come since the last look."""
    number = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            number += 1
    return number


def test_a_redis_that_was_never_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
    allowed = may(requests=2)
    assert statuses(Meter(nobody), allowed, 3) == [200, 200, 429]
    assert statuses(Meter(nobody, fail="closed"), allowed, 2) == [503, 503]


def test_when_it_is_back_it_counts_again_without_hands(engine, caplog):
    meter, allowed = Meter(engine.url), may(requests=10)
    meter._breaker._rest = 0.05
    assert statuses(meter, allowed, 5) == [200] * 5
    freeze(engine)
    assert statuses(meter, allowed, 1) == [200]
    engine.signal(signal.SIGCONT)
    until(lambda: answers(engine))
    until(lambda: time.monotonic() >= meter._breaker._again_at)
    with caplog.at_level(logging.WARNING):
        turn = meter.admit(allowed)
    assert caplog.messages[-1] == "limits are counted in Redis again"
    assert turn.requests_left == 4  # by Redis: what it had counted, and this one


def test_full_and_then_not(engine):
    meter, allowed = Meter(engine.url, fail="closed"), may(requests=10)
    meter._breaker._rest = 0.0
    fill(engine)
    assert statuses(meter, allowed, 2) == [503, 503]
    engine.client.config_set("maxmemory", 0)
    assert statuses(meter, allowed, 2) == [200, 200]


def test_flushed_it_counts_from_nothing_and_says_so_to_nobody(engine, caplog):
    """Counters are gone and so are the scripts: a new budget, and no failure."""
    meter, allowed = Meter(engine.url, fail="closed"), may(requests=2, tokens=1000)
    assert statuses(meter, allowed, 3) == [200, 200, 429]
    engine.client.flushall()
    engine.client.script_flush()
    with caplog.at_level(logging.WARNING):
        assert statuses(meter, allowed, 3) == [200, 200, 429]
    assert caplog.messages == []


def test_restarted_a_kept_connection_is_replaced_unnoticed(engine):
    meter, allowed = Meter(engine.url, fail="closed"), may(requests=10)
    assert statuses(meter, allowed, 2) == [200, 200]
    assert engine.client.client_kill_filter(_type="normal", skipme=True) >= 1
    assert statuses(meter, allowed, 2) == [200, 200]


def test_the_answer_is_given_whatever_happens_after_the_call_was_let_in(engine):
    meter, allowed = Meter(engine.url, fail="closed"), may()
    turn = meter.admit(allowed)
    stop(engine)
    spent, took = timed(lambda: meter.spend(turn, 24))
    assert took < SOON
    assert spent.tokens_left == 976


def test_a_clock_that_is_wrong_changes_nothing_for_requests(engine, monkeypatch):
    """Windows are timed by Redis: a gateway ten minutes off shares them with the others."""
    allowed = may(requests=3)
    right, wrong = Meter(engine.url), Meter(engine.url)
    assert not right.admit(allowed).refused
    for minutes in (-10, 10):
        with monkeypatch.context() as patch:
            real = time.time
            patch.setattr(time, "time", lambda real=real, off=60 * minutes: real() + off)
            turn = wrong.admit(allowed)
        assert not turn.refused
        assert 1 <= turn.requests_wait <= 60
    assert right.admit(allowed).refused == "requests"
