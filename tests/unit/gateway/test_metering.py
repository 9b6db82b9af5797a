"""The limits of a grant, counted in the real Redis and in a process's own memory."""

import http.client
import math
import multiprocessing
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import redis
import time_machine
from django.conf import settings
from django.http import HttpResponse

from portal.gateway import metering
from portal.gateway.metering import Allowance, Counters, Meter, allowance_of, headers

NOON = datetime(2026, 5, 31, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_the_middle_of_a_minute():
    """Windows in memory turn with the clock's, and days with midnight: not during a test."""
    with time_machine.travel(datetime.now(UTC).replace(hour=12, minute=30, second=10), tick=True):
        yield


@pytest.fixture(params=["redis", "memory"])
def meter(request):
    return Meter(settings.REDIS_URL if request.param == "redis" else None)


@pytest.fixture
def shared():
    return Counters(metering._redis(settings.REDIS_URL))


def grant(requests=60, tokens=1000, ref=None):
    return Allowance(ref or f"GRT-{secrets.token_hex(4).upper()}", requests, tokens)


# --- Requests ---------------------------------------------------------------------------------


def test_calls_are_let_in_until_the_minute_s_are_used_up(meter):
    may = grant(requests=3)
    turns = [meter.admit(may) for _ in range(5)]
    assert [turn.refused for turn in turns] == ["", "", "", "requests", "requests"]
    assert [turn.requests_left for turn in turns] == [2, 1, 0, 0, 0]
    assert all(1 <= turn.requests_wait <= 60 for turn in turns)


def test_each_grant_has_its_own(meter):
    one, other = grant(requests=1), grant(requests=1)
    assert [meter.admit(may).refused for may in (one, other, one)] == ["", "", "requests"]


def test_a_changed_limit_counts_at_the_next_call_and_what_was_counted_still_counts(meter):
    may = grant(requests=2)
    assert [meter.admit(may).refused for _ in range(3)] == ["", "", "requests"]
    more, less = grant(requests=3, ref=may.grant), grant(requests=1, ref=may.grant)
    assert meter.admit(less).refused == "requests"
    assert [meter.admit(more).refused for _ in range(2)] == ["", "requests"]


def test_nothing_allowed_is_nothing(meter):
    assert meter.admit(grant(requests=0)).refused == "requests"
    assert meter.admit(grant(tokens=0)).refused == "tokens"


def test_the_wait_is_as_long_as_it_takes(shared):
    """Told is when the first comes free; a second earlier none has, a second later one has."""
    may = grant(requests=5)
    for _ in range(5):
        shared.admit(may, NOON)
    wait = shared.admit(may, NOON).requests_wait
    pass_by(may, seconds=wait - 1)
    assert shared.admit(may, NOON).refused == "requests"
    pass_by(may, seconds=2)
    assert [shared.admit(may, NOON).refused for _ in range(2)] == ["", "requests"]


def pass_by(may, *, seconds):
    """As if so much time had gone by: every key of the grant ends so much sooner."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        keys = list(client.scan_iter(f"limits:*{may.grant}*"))
        assert keys
        for key in keys:
            client.pexpire(key, max(client.pttl(key) - seconds * 1000, 1))


def test_a_burst_does_not_pass_twice_around_the_turn_of_a_window(shared):
    """Where windows are fixed, both are let in."""
    may = grant(requests=10)
    assert [shared.admit(may, NOON).refused for _ in range(10)] == [""] * 10
    pass_by(may, seconds=61)
    again = [shared.admit(may, NOON).refused for _ in range(10)]
    assert again.count("") == 1  # 59/60 of the ten before still count


def hammer(url, may, calls, answers):
    meter = Meter(url)
    with ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(lambda _: meter.admit(may), range(calls)))
    answers.put([turn.refused for turn in turns])


def test_two_processes_of_many_threads_let_through_exactly_the_limit():
    may, calls = grant(requests=100), 150
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    both = [
        spawn.Process(target=hammer, args=(settings.REDIS_URL, may, calls, answers))
        for _ in range(2)
    ]
    for each in both:
        each.start()
    said = [*answers.get(timeout=60), *answers.get(timeout=60)]
    for each in both:
        each.join(timeout=60)
    assert (said.count(""), said.count("requests")) == (100, 200)


def test_many_threads_of_one_process_by_itself_let_through_exactly_the_limit():
    meter, may = Meter(None), grant(requests=100)
    with ThreadPoolExecutor(16) as pool:
        turns = list(pool.map(lambda _: meter.admit(may), range(300)))
    assert [turn.refused for turn in turns].count("") == 100


# --- Tokens -----------------------------------------------------------------------------------


def test_the_call_that_crosses_the_line_is_the_last(meter):
    may = grant(tokens=100)
    first = meter.spend(meter.admit(may), 60)
    assert first.tokens_left == 40
    assert meter.admit(may).tokens_left == 40
    assert meter.spend(meter.admit(may), 1000).tokens_left == 0
    refused = meter.admit(may)
    assert (refused.refused, refused.tokens_left) == ("tokens", 0)


def test_more_tokens_given_by_staff_count_beyond_those_used(meter):
    may = grant(tokens=100)
    meter.spend(meter.admit(may), 120)
    assert meter.admit(may).refused == "tokens"
    assert meter.admit(grant(tokens=130, ref=may.grant)).tokens_left == 10


def test_a_refusal_uses_up_nothing(meter):
    may = grant(requests=5, tokens=10)
    turn = meter.spend(meter.admit(may), 10)
    assert turn.requests_left == 4
    assert [meter.admit(may).requests_left for _ in range(3)] == [4, 4, 4]


def test_an_answer_of_no_tokens_is_counted_as_none(meter):
    may = grant(tokens=10)
    assert meter.spend(meter.admit(may), 0).tokens_left == 10


def test_the_day_begins_anew_at_midnight_utc(shared):
    may = grant(tokens=10)
    late = datetime(2026, 5, 31, 23, 59, 30, tzinfo=UTC)
    turn = shared.spend(shared.admit(may, late), 10)
    assert (turn.tokens_wait, shared.admit(may, late).refused) == (30, "tokens")
    soon = shared.admit(may, late + timedelta(seconds=30))
    assert (soon.refused, soon.tokens_left, soon.tokens_wait) == ("", 10, 86_400)


def test_what_began_before_midnight_counts_for_the_day_before(shared):
    may = grant(tokens=10)
    turn = shared.admit(may, NOON)
    shared.spend(turn, 7)
    assert shared.admit(may, NOON + timedelta(days=1)).tokens_left == 10
    assert shared.admit(may, NOON).tokens_left == 3


def test_counters_end_by_themselves(shared):
    may = grant()
    shared.spend(shared.admit(may, NOON), 1)
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        keys = sorted(client.scan_iter(f"*{may.grant}*"))
        assert keys == [
            f"limits:tokens/{may.grant}/2026-05-31",
            f"limits:{{requests/{may.grant}}}",
        ]
        assert [math.ceil(client.ttl(key) / 60) for key in keys] == [2 * 24 * 60, 2]


# --- What is told -----------------------------------------------------------------------------


def parse(field):
    """A List of Strings with Parameters (RFC 9651, section 3.1), as far as these fields go."""
    found = {}
    for member in field.split(","):
        name, *parameters = member.strip(" ").split(";")
        assert re.fullmatch(r'"[a-z]+"', name)
        pairs = [parameter.split("=") for parameter in parameters]
        assert all(re.fullmatch(r"[a-z*][a-z0-9_.*-]*", key) for key, _ in pairs)
        found[name.strip('"')] = {key: parsed(value) for key, value in pairs}
    return found


def parsed(value):
    if value.startswith('"'):
        return re.fullmatch(r'"([ -!#-\[\]-~]*)"', value)[1]
    assert re.fullmatch(r"-?[0-9]{1,15}", value)
    return int(value)


def test_the_headers_are_those_of_the_draft(meter):
    may = grant(requests=60, tokens=100_000)
    turn = meter.spend(meter.admit(may), 24)
    told = headers(turn)
    assert set(told) == {"RateLimit-Policy", "RateLimit"}
    assert told["RateLimit-Policy"] == (
        '"requests";q=60;w=60, "tokens";q=100000;qu="tokens";w=86400'
    )
    assert parse(told["RateLimit-Policy"]) == {
        "requests": {"q": 60, "w": 60},
        "tokens": {"q": 100_000, "qu": "tokens", "w": 86_400},
    }
    assert parse(told["RateLimit"]) == {
        "requests": {"r": 59, "t": turn.requests_wait},
        "tokens": {"r": 99_976, "t": turn.tokens_wait},
    }


@pytest.mark.parametrize(("requests", "tokens", "which"), [(0, 5, "requests"), (5, 0, "tokens")])
def test_a_refusal_says_when_to_come_back_and_never_too_early(meter, requests, tokens, which):
    told = headers(meter.admit(grant(requests=requests, tokens=tokens)))
    assert told["Retry-After"] == str(parse(told["RateLimit"])[which]["t"])
    assert parse(told["RateLimit"])[which]["r"] == 0


def test_a_limit_too_large_for_a_header_is_told_as_the_largest(meter):
    told = headers(meter.admit(grant(requests=2**31 - 1, tokens=2**63 - 1)))
    assert parse(told["RateLimit-Policy"])["tokens"]["q"] == 999_999_999_999_999
    assert parse(told["RateLimit"])["tokens"]["r"] == 999_999_999_999_999


def test_limits_are_read_from_the_portal_s_answer_however_it_comes():
    told = {
        "X-Access-Grant": "GRT-7K3M9Q",
        "X-Access-Requests-Per-Minute": "60",
        "X-Access-Tokens-Per-Day": "1000000",
    }
    message = http.client.HTTPMessage()
    for name, value in told.items():
        message[name.lower()] = value
    for answer in (told, message, HttpResponse(headers=told).headers):
        assert allowance_of(answer) == Allowance("GRT-7K3M9Q", 60, 1_000_000)


# --- Settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "fail"),
    [(None, "closed"), ("", "closed"), ("redis://h/0", "shut"), ("amqp://h", "open")],
)
def test_settings_that_make_no_sense_are_refused(url, fail):
    with pytest.raises(ValueError, match=r"LIMITS_FAIL|scheme"):
        Meter(url, fail=fail)
