"""Whoever measures how long a refusal takes does not learn which kids there are."""

import random
import statistics
import time
from collections import Counter

import pytest
from django.db import connection
from django.test import RequestFactory

from portal import peppers
from portal.credentials import facts, secrets, verification
from portal.gateway import clients
from tests.factories.accounts import OrganizationFactory
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic

pytestmark = pytest.mark.django_db
PAIRS, ROUNDS = 60, 10
# Without a row read in place of the one that is missing it is more than a tenth.
NOTICEABLE = 0.04


def request_of(kid):
    return RequestFactory().post(
        "/oauth/token",
        "grant_type=client_credentials",
        content_type="application/x-www-form-urlencoded",
        headers={"Authorization": basic(kid, secrets.mint(kid).token)},
    )


def took(kid):
    """Nanoseconds to find that this is not the key of that kid: the quickest of a few times."""
    token = secrets.mint(kid).token

    def once():
        began = time.perf_counter_ns()
        assert verification.genuine(token) is None
        return time.perf_counter_ns() - began

    return min(once() for _ in range(5))


def difference(kids):
    """By how much a wrong secret takes longer than an unknown kid, as a share.

    Asked in turns, so that what else the machine does falls on both alike.
    """
    wrong, unknown = [], []
    for turn in range(PAIRS):
        both = [(wrong, kids[turn % len(kids)]), (unknown, secrets.new_kid())]
        for times, kid in random.sample(both, 2):
            times.append(took(kid))
    return statistics.median(wrong) / statistics.median(unknown) - 1


@pytest.fixture
def kids():
    make = OrganizationFactory
    return [make_live_key(grant__application__organization=make())[0].kid for _ in range(10)]


def test_an_unknown_kid_takes_as_long_as_a_wrong_secret(kids):
    # A difference that is there is there in every round; one by chance is not.
    assert any(abs(difference(kids)) < NOTICEABLE for _ in range(ROUNDS))


def test_a_shorter_way_for_unknown_kids_would_be_noticed(kids, monkeypatch):
    def only_what_is_there(kid):
        return next(iter(facts.read_many_facts([kid])), None)

    monkeypatch.setattr(verification, "read_facts", only_what_is_there)
    assert any(difference(kids) > NOTICEABLE for _ in range(ROUNDS))


def work(node):
    """What PostgreSQL did: each step, how often, and how many rows came of it."""
    done = [(node["Node Type"], node.get("Relation Name"), node["Actual Rows"])]
    return done * node["Actual Loops"] + [w for inner in node.get("Plans", []) for w in work(inner)]


def steps(kid):
    one = facts._SQL_OF_ONE.replace("$1", "%s")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) {one}", [kid])
        (plan,) = cursor.fetchone()[0]
    return Counter(work(plan["Plan"]))


def test_postgresql_takes_the_same_steps_but_for_the_look_up(kids):
    theirs, nobodys = steps(kids[0]), steps(secrets.new_kid())
    table = "credentials_credential"
    assert {name for _, name, _ in (theirs - nobodys)} == {table}
    assert {name for _, name, _ in (nobodys - theirs)} == {table, None}
    assert (theirs - nobodys).total() == 1
    assert theirs.total() > 10


def test_both_hash_and_ask_just_as_often(kids, monkeypatch, django_assert_num_queries):
    requests = [request_of(kid) for kid in (kids[0], secrets.new_kid())]
    hashed, digest = [], peppers._digest
    monkeypatch.setattr(peppers, "_digest", lambda *a: hashed.append(a[1]) or digest(*a))
    with django_assert_num_queries(2) as asked:
        for request in requests:
            assert clients.read(request).facts is None
    assert hashed == [b"tpk/1"] * 2
    assert [each["sql"] for each in asked] == [facts._SQL_OF_ONE] * 2
