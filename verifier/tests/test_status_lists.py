"""Token Status Lists, as in draft-ietf-oauth-status-list-21."""

import zlib

import pytest
from asking import code
from portal_double import NOON, Signer, packed, saying, segment

from access_verifier import Code
from access_verifier.jose import Malformed
from access_verifier.statuslist import LONGEST_UNPACKED, read_status_list

LIST = "/statuslists/1"


@pytest.fixture(autouse=True)
def statuses(portal):
    portal.statuses[LIST] = [0] * 16
    return portal.statuses[LIST]


def listed(portal, idx=3, uri=None, **claims):
    entry = {"idx": idx, "uri": portal.url + LIST if uri is None else uri}
    return portal.token(status={"status_list": entry}, **claims)


def tick(verifier, clock, seconds=1):
    clock.advance(seconds)
    assert verifier.poll_once()


def test_a_list_is_fetched_once_a_token_names_it(portal, verifier, clock):
    token = listed(portal)
    assert code(verifier, token) == Code.STATUS_LIST_STALE
    assert LIST not in portal.paths()
    assert verifier.poll_once()
    assert code(verifier, token) == Code.ALLOWED


def test_a_status_that_flips_counts_at_the_next_poll_and_for_its_index_only(
    portal, verifier, clock, statuses
):
    mine, yours = listed(portal, 3), listed(portal, 4)
    code(verifier, mine)
    tick(verifier, clock)
    for _ in range(2):
        assert (code(verifier, mine), code(verifier, yours)) == (Code.ALLOWED, Code.ALLOWED)
        statuses[3] = 1
        tick(verifier, clock)
        assert code(verifier, mine) == Code.STATUS_NOT_VALID
        assert code(verifier, yours) == Code.ALLOWED
        statuses[3] = 0
        tick(verifier, clock)


def test_a_list_named_beforehand_is_there_for_the_first_token(portal, make_verifier):
    verifier = make_verifier(status_lists=(portal.url + LIST,))
    assert verifier.poll_once()
    assert code(verifier, listed(portal)) == Code.ALLOWED


def test_a_list_the_snapshot_names_is_there_for_the_first_token(portal, make_verifier):
    verifier = make_verifier()
    portal.more = {"status_lists": [portal.url + LIST, "https://elsewhere.example/list"]}
    assert verifier.poll_once()
    assert code(verifier, listed(portal)) == Code.ALLOWED
    assert portal.paths().count(LIST) == 1


def test_a_list_older_than_fifteen_seconds_lets_nobody_in(portal, verifier, clock):
    token = listed(portal)
    code(verifier, token)
    assert verifier.poll_once()
    portal.faults[LIST] = saying("gone", status=500)
    tick(verifier, clock, 14)
    assert code(verifier, token) == Code.ALLOWED
    tick(verifier, clock, 1.01)
    assert code(verifier, token) == Code.STATUS_LIST_STALE
    assert code(verifier, portal.token()) == Code.ALLOWED  # which names no list
    del portal.faults[LIST]
    tick(verifier, clock)
    assert code(verifier, token) == Code.ALLOWED


def test_a_list_is_as_old_as_it_says_not_as_its_answer(portal, verifier, clock):
    """A recorded list can be replayed for as long as it would have been good anyway."""
    recorded = portal.status_list(LIST, exp=NOON + 3600)
    code(verifier, listed(portal))
    portal.faults[LIST] = saying(recorded)
    tick(verifier, clock, 15)
    assert code(verifier, listed(portal)) == Code.ALLOWED
    tick(verifier, clock, 1)
    assert code(verifier, listed(portal)) == Code.STATUS_LIST_STALE
    assert "too old" in verifier.health()["problems"][f"status list {portal.url}{LIST}"]


def test_an_older_list_does_not_follow_a_newer(portal, verifier, clock, statuses):
    older = portal.status_list(LIST)
    statuses[3] = 1
    code(verifier, listed(portal))
    tick(verifier, clock)
    portal.faults[LIST] = saying(older)
    tick(verifier, clock)
    assert code(verifier, listed(portal)) == Code.STATUS_NOT_VALID


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "https://portal.example/statuslists/1"},
        {"sub": None},
        {"iss": "https://portal.example"},
        {"iat": None},
        {"iat": NOON - 16},
        {"iat": NOON + 16},
        {"exp": NOON},
        {"exp": "later"},
        {"ttl": "often"},
        {"status_list": None},
        {"status_list": []},
        {"status_list": {"bits": 1}},
        {"status_list": {"bits": 3, "lst": packed([0])["lst"]}},
        {"status_list": {"bits": True, "lst": packed([0])["lst"]}},
        {"status_list": {"bits": 1, "lst": 1}},
        {"status_list": {"bits": 1, "lst": "é"}},
        {"status_list": {"bits": 1, "lst": packed([0])["lst"] + "=="}},
        {"status_list": {"bits": 1, "lst": segment(b"not deflated")}},
        {"status_list": {"bits": 1, "lst": segment(zlib.compress(b"\0")[:-2])}},
        {"status_list": {"bits": 1, "lst": segment(zlib.compress(b"\0") + b"more")}},
    ],
)
def test_a_list_that_is_another_or_malformed_is_not_believed(portal, verifier, clock, changes):
    code(verifier, listed(portal))
    portal.faults[LIST] = saying(portal.status_list(LIST, **changes))
    assert verifier.poll_once()
    assert code(verifier, listed(portal)) == Code.STATUS_LIST_STALE
    del portal.faults[LIST]
    tick(verifier, clock)
    assert code(verifier, listed(portal)) == Code.ALLOWED  # so it was the change


@pytest.mark.parametrize(
    "sign",
    [
        lambda portal, claims: portal.signer.sign(claims, "JWT"),
        lambda portal, claims: portal.signer.sign(claims, "at+jwt"),
        lambda portal, claims: portal.signer.sign(claims, "access-snapshot+jwt"),
        lambda portal, claims: Signer("k1").sign(claims, "statuslist+jwt"),
        lambda portal, claims: Signer("k9").sign(claims, "statuslist+jwt"),
    ],
)
def test_a_forged_list_is_not_believed(portal, verifier, sign):
    code(verifier, listed(portal))
    claims = {"sub": portal.url + LIST, "iat": NOON, "status_list": packed([0] * 16)}
    portal.faults[LIST] = saying(sign(portal, claims))
    assert verifier.poll_once()
    assert code(verifier, listed(portal)) == Code.STATUS_LIST_STALE


def test_a_list_may_do_without_exp_and_ttl(portal, verifier):
    code(verifier, listed(portal))
    claims = {"sub": portal.url + LIST, "iat": NOON, "status_list": packed([0] * 16)}
    portal.faults[LIST] = saying(portal.signer.sign(claims, "statuslist+jwt"))
    assert verifier.poll_once()
    assert code(verifier, listed(portal)) == Code.ALLOWED


def test_an_index_beyond_the_list_is_refused(portal, verifier):
    code(verifier, listed(portal))
    assert verifier.poll_once()
    assert code(verifier, listed(portal, 15)) == Code.ALLOWED
    assert code(verifier, listed(portal, 16)) == Code.STATUS_NOT_VALID
    assert code(verifier, listed(portal, 2**52)) == Code.STATUS_NOT_VALID


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_statuses_of_each_width_are_read_from_the_lowest_bit_on(bits):
    statuses = [number % 2**bits for number in (1, 0, 3, 0, 15, 255, 2, 7, 1)]
    claims = {"sub": "u", "iat": NOON, "status_list": packed(statuses, bits)}
    found = read_status_list(claims, uri="u", issuer="i")
    assert [found.status(idx) for idx in range(len(statuses))] == statuses


def test_the_example_of_the_draft():
    """Sixteen statuses of one bit, which the draft writes as B9 A3."""
    statuses = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
    entry = {"bits": 1, "lst": segment(zlib.compress(b"\xb9\xa3"))}
    found = read_status_list({"sub": "u", "iat": 1, "status_list": entry}, uri="u", issuer="i")
    assert [found.status(idx) for idx in range(16)] == statuses
    assert found.status(16) is None


def test_a_list_that_would_unpack_to_gigabytes_is_refused():
    def read(length):
        entry = {"bits": 1, "lst": segment(zlib.compress(bytes(length), 1))}
        return read_status_list({"sub": "u", "iat": 1, "status_list": entry}, uri="u", issuer="i")

    assert read(LONGEST_UNPACKED).status(0) == 0
    with pytest.raises(Malformed):
        read(LONGEST_UNPACKED + 1)


# --- Whom it asks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1/statuslists/1",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "{url}.evil.example/statuslists/1",
        "{url}@evil.example/statuslists/1",
        "{url}",
        "{url}/",
        "{url}//evil.example/1",
        "{url}/../secrets",
        "{url}/a/../../secrets",
        "{url}/.git",
        "{url}/a?b=c",
        "{url}/a#b",
        "{url}/a%2e%2e/b",
        "{url}/a;b",
        "{url}\\a",
        "/statuslists/1",
        "x",
    ],
)
def test_nobody_but_the_portal_is_asked_and_only_for_plain_paths(portal, verifier, clock, uri):
    before = len(portal.asked)
    token = listed(portal, uri=uri.format(url=portal.url))
    for _ in range(3):
        assert code(verifier, token) == Code.STATUS_LIST_STALE
        tick(verifier, clock)
    assert portal.paths()[before:] == ["/gateway/snapshot"] * 3


def test_a_list_under_the_name_the_portal_gives_itself_is_asked_of_where_it_is_reached(
    portal, make_verifier
):
    """Tokens name the public address; the gateway may reach the portal by another."""
    issuer = "https://portal.example"
    verifier = make_verifier(issuer=issuer)
    portal.more = {"iss": issuer}
    assert verifier.poll_once()
    uri = issuer + LIST
    token = listed(portal, uri=uri, iss=issuer)
    assert code(verifier, token) == Code.STATUS_LIST_STALE
    portal.faults[LIST] = saying(portal.status_list(LIST, sub=uri))
    assert verifier.poll_once()
    assert code(verifier, token) == Code.ALLOWED


def test_a_list_to_be_fetched_beforehand_is_the_portals(make_verifier):
    with pytest.raises(ValueError, match=r"evil\.example"):
        make_verifier(status_lists=("https://evil.example/1",))


def test_a_token_of_another_issuer_has_nothing_fetched(portal, verifier):
    code(verifier, listed(portal, iss="https://other.example"))
    assert verifier.poll_once()
    assert LIST not in portal.paths()


def test_the_gateways_secret_goes_to_its_own_door_only(portal, verifier):
    code(verifier, listed(portal))
    assert verifier.poll_once()
    assert {path.partition("?")[0] for path, said in portal.asked if "Authorization" in said} == {
        "/gateway/snapshot"
    }


# --- How often, and how many --------------------------------------------------------------------


@pytest.mark.parametrize(("ttl", "times"), [(0, 10), (1, 10), (3, 4), (5, 2), (3600, 2)])
def test_a_list_is_fetched_again_as_often_as_it_says_within_bounds(
    portal, verifier, clock, ttl, times
):
    portal.faults[LIST] = lambda handler: handler.answer(portal.status_list(LIST, ttl=ttl))
    code(verifier, listed(portal))
    for _ in range(10):
        assert verifier.poll_once()
        clock.advance(1)
    assert portal.paths().count(LIST) == times


def test_sixteen_lists_are_kept_and_no_more(portal, verifier, clock):
    for number in range(20):
        path = f"/statuslists/{number}"
        portal.statuses[path] = [0] * 16
        code(verifier, listed(portal, uri=portal.url + path))
    tick(verifier, clock)
    found = [code(verifier, listed(portal, uri=f"{portal.url}/statuslists/{n}")) for n in range(20)]
    assert found == [Code.ALLOWED] * 16 + [Code.STATUS_LIST_STALE] * 4


def test_a_list_nobody_names_any_longer_is_let_go_and_makes_room(portal, verifier, clock):
    code(verifier, listed(portal))
    assert verifier.poll_once()
    assert code(verifier, listed(portal)) == Code.ALLOWED
    tick(verifier, clock, 601)
    before = portal.paths().count(LIST)
    tick(verifier, clock)
    assert portal.paths().count(LIST) == before
    assert code(verifier, listed(portal)) == Code.STATUS_LIST_STALE
    tick(verifier, clock)
    assert code(verifier, listed(portal)) == Code.ALLOWED


def test_one_broken_list_does_not_keep_the_others_from_being_fetched(portal, verifier, clock):
    other = "/statuslists/2"
    portal.statuses[other] = [0] * 16
    portal.faults[LIST] = saying("gone", status=500)
    good, broken = listed(portal, uri=portal.url + other), listed(portal)
    for _ in range(40):
        code(verifier, broken), code(verifier, good)
        tick(verifier, clock)
    assert code(verifier, listed(portal)) == Code.STATUS_LIST_STALE
    assert code(verifier, listed(portal, uri=portal.url + other)) == Code.ALLOWED
    for _ in range(40):  # nor does it make them grow old
        tick(verifier, clock)
        assert code(verifier, listed(portal, uri=portal.url + other)) == Code.ALLOWED
