"""What is found again by its seal is what the long proof would find, or it is not found."""

import hashlib
import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.credentials import remembered, secrets
from portal.credentials.known import Known, seal
from portal.credentials.models import Credential
from portal.credentials.verification import Ask, allowed, decide, verify
from portal.gateway.authentication import authenticate
from portal.gateway.models import Gateway
from portal.prepared import Statement
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway
from tests.unit.credentials.test_decision import DAY, GOOD, HERE, NOW
from tests.unit.credentials.test_remembered import elsewhere, recalled, retire

TOKEN = b"tpk_live_0123456789ABCDEF_something"


@pytest.fixture(autouse=True)
def _as_just_started():
    remembered.forget_all()


def test_a_seal_needs_the_key_of_this_process():
    mine = seal(b"key", TOKEN)
    assert mine == seal(b"key", TOKEN)
    assert mine not in {seal(b"gateway", TOKEN), seal(b"key", TOKEN + b"x")}
    unkeyed = hashlib.blake2b(TOKEN, digest_size=16, person=b"key").digest()
    code = f"from portal.credentials.known import seal; print(seal(b'key', {TOKEN!r}).hex())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert mine not in {unkeyed, bytes.fromhex(other.stdout.strip())}


def test_what_a_door_answers_is_made_once():
    made = []
    known = Known(GOOD)
    for _ in range(2):
        assert known.say("a", lambda facts: made.append(facts) or "said") == "said"
    assert known.say("b", lambda _: "another") == "another"
    assert made == [GOOD]


# --- The short decision beside the whole one ------------------------------------------------------

TIMES = [NOW + days * DAY for days in (-400, -1, 0, 1, 400)] + [
    moment + step
    for moment in (GOOD.grant_starts_at, GOOD.grant_ends_at, GOOD.key_expires_at)
    for step in (-timedelta(microseconds=1), timedelta(0))
]
SCOPES = [None, "", " ", "model:infer", "cyber:scan", "model:infer cyber:scan", "x:y"]
ASKS = st.builds(
    Ask,
    audience=st.sampled_from([HERE, "https://elsewhere.example.org"]),
    scope=st.sampled_from(SCOPES),
    now=st.sampled_from(TIMES),
    sandbox=st.booleans(),
)
FACTS = st.builds(
    replace,
    st.just(GOOD),
    kind=st.sampled_from(["live", "test"]),
    key_expires_at=st.sampled_from([GOOD.key_expires_at, NOW + 2 * DAY]),
    key_scopes=st.sampled_from([frozenset({"model:infer"}), frozenset({"model:infer", "x:y"})]),
)


def whole(facts, ask):
    return decide(facts, audience=ask.audience, scope=ask.scope, now=ask.now, sandbox=ask.sandbox)


@given(facts=FACTS, scope=st.sampled_from([None, "model:infer"]), after=ASKS)
@settings(max_examples=500)
def test_of_what_was_allowed_once_the_short_decision_says_what_the_whole_one_says(
    facts, scope, after
):
    assert whole(facts, Ask(audience=HERE, scope=scope, now=NOW, sandbox=True))
    assert allowed(facts, after) is whole(facts, after).allowed


# --- In a process ---------------------------------------------------------------------------------


@pytest.fixture
def key(transactional_db):
    credential, token = make_live_key()
    audience = credential.grant.phase.release.audience
    return credential, token, audience


def code(key, **asked):
    return verify(key[1], audience=key[2], scope=None, **asked).verdict.code


def test_a_wrong_secret_of_a_remembered_key_is_read_like_an_unknown_one(
    key, django_assert_num_queries
):
    assert code(key) == ""
    forged = secrets.mint(key[0].kid).token
    unknown = secrets.mint(secrets.new_kid()).token
    for token in (forged, unknown):
        found = verify(token, audience=key[2], scope=None)
        assert (found.verdict.code, found.facts, found.known) == ("unknown_key", None, None)
    assert recalled(key[1]).kid == key[0].kid


def test_a_thread_that_asks_as_the_first_misses_nothing_another_began_to_keep(key, monkeypatch):
    """Between its asking and its taking in, another has asked, kept the key, and it was revoked."""
    row, meanwhile = Statement.row, []

    def slow(self, *values):
        if not meanwhile and not values:  # where to begin is asked for
            meanwhile.append("begun")
            elsewhere(lambda: meanwhile.append(code(key)))
            elsewhere(lambda: retire(key[0].kid))
        return row(self, *values)

    monkeypatch.setattr(Statement, "row", slow)
    remembered.prove(0.0)
    assert meanwhile == ["begun", ""]
    assert recalled(key[1]) is None
    assert code(key) == "key_not_active"


def test_all_being_forgotten_while_somebody_looks_makes_nothing_good_again(key, monkeypatch):
    """Another thread empties the memory after the entry was found and before it is judged."""
    assert code(key) == ""
    retire(key[0].kid)
    remembered.prove(0.0)  # the entry is void from now on, and still there
    memory = remembered._memory
    assert memory.holds(seal(b"key", key[1].encode()))

    class Forgetful(OrderedDict):
        def get(self, name):
            found = super().get(name)
            memory.forget()
            return found

    monkeypatch.setattr(memory, "_kept", Forgetful(memory._kept))
    assert recalled(key[1]) is None


def test_nothing_is_kept_that_was_read_before_anybody_asked(key):
    moment = remembered.moment()
    remembered.remember("x", "early", subjects=(), moment=moment)
    assert remembered.recall("x") is None


def test_more_touches_than_are_looked_through_empty_the_memory(key, monkeypatch):
    monkeypatch.setattr(remembered, "MOST_TOUCHES", 2)
    assert code(key) == ""
    others = [make_live_key()[0].kid for _ in range(3)]
    remembered.prove(0.0)
    Credential.objects.filter(kid__in=others).update(status="retired")
    remembered.prove(0.0)
    assert recalled(key[1]) is None
    assert code(key) == ""
    retire(key[0].kid)
    assert code(key) == "key_not_active"


# --- Gateways -------------------------------------------------------------------------------------


def test_a_gateway_hears_of_its_releases_new_audience_at_the_next_call(key):
    release = key[0].grant.phase.release
    gateway, secret = make_gateway(release)
    header = basic(gateway.client_id, secret)
    assert authenticate(header).audience == key[2]
    assert authenticate(header).audience == key[2]  # from memory
    release.audience = "https://moved.example.org"
    elsewhere(release.save)
    assert authenticate(header).audience == "https://moved.example.org"


def test_a_gateway_is_known_whatever_the_spelling_and_not_when_disabled(
    key, django_assert_num_queries
):
    gateway, secret = make_gateway(key[0].grant.phase.release)
    header = basic(gateway.client_id, secret)
    caller = authenticate(header)
    assert authenticate(header) is caller
    other = header.replace("Basic ", "bAsIc   ")
    assert authenticate(other) == caller
    with django_assert_num_queries(2):  # whether anything was taken away since, each time
        assert authenticate(header) is caller
        assert authenticate(other) == caller
    Gateway.objects.filter(pk=gateway.pk).update(
        disabled_at=gateway.registered_at, disabled_by=gateway.registered_by
    )
    assert [authenticate(each) for each in (header, other)] == [None, None]
