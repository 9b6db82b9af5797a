"""The decision against a model that knows nothing of how it is computed."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from access_verifier import Code, Identity, Rules, Standing, decide, still_stands
from access_verifier.identity import read_identity
from access_verifier.snapshot import Snapshot
from access_verifier.statuslist import StatusList

RULES = Rules(issuer="i", audience="a")
REFS = ["1", "2"]
LEVELS = {
    "release": "release",
    "phase": "phase",
    "organization": "organization",
    "person": "sub",
    "grant": "grant",
    "key": "client_id",
}
FREEZABLE = ["release", "phase", "organization", "person"]
URI = "https://i/s"
BASE = 1000


def about(levels):
    """(level, whom), a few of them."""
    pairs = [(level, ref) for level in levels for ref in REFS]
    return st.sets(st.sampled_from([("everything", ""), *pairs]), max_size=2)


def snapshot(issued_at, expires_at, freezes, revocations):
    frozen = {level: {ref for at, ref in freezes if at == level} for level, _ in freezes}
    epochs = {}
    for number, (level, ref) in enumerate(sorted(revocations)):
        epochs.setdefault(level, {})[ref] = BASE - 50.5 + number * 45.25
    return Snapshot(1, issued_at, expires_at, frozen, epochs)


claims = st.fixed_dictionaries(
    {
        "iss": st.sampled_from(["i", "i", "i", "other"]),
        "aud": st.sampled_from(["a", "a", "a", "other"]),
        "kind": st.sampled_from(["live", "live", "live", "test", "other"]),
        "scope": st.sampled_from(["", "x:y", "x:y z:z"]),
        "iat": st.integers(BASE - 80, BASE + 10),
        "exp": st.integers(BASE - 20, BASE + 400),
        "jti": st.just("j"),
        "organization": st.sampled_from([None, *REFS]),
        **{claim: st.sampled_from(REFS) for claim in LEVELS.values() if claim != "organization"},
    },
    optional={
        "nbf": st.integers(BASE - 10, BASE + 10),
        "status": st.builds(
            lambda idx: {"status_list": {"idx": idx, "uri": URI}}, st.integers(0, 9)
        ),
    },
)
snapshots = st.builds(
    snapshot,
    st.floats(BASE - 20, BASE),
    st.floats(BASE - 5, BASE + 20),
    about(FREEZABLE),
    about(LEVELS),
)
lists = st.builds(
    StatusList,
    issued_at=st.floats(BASE - 20, BASE),
    expires_at=st.floats(BASE - 5, BASE + 20),
    ttl=st.just(1.0),
    bits=st.just(1),
    packed=st.binary(min_size=1, max_size=1),
)
standings = st.none() | st.builds(
    Standing, snapshot=snapshots, lists=st.dictionaries(st.just(URI), lists, max_size=1)
)
scopes = st.sampled_from([None, "x:y", "x:y z:z", "z:z", "q:q", ""])


def silent_too_long(standing):
    """The portal's word is missing or too old."""
    if standing is None:
        return True
    snapshot = standing.snapshot
    return snapshot.expires_at <= BASE or snapshot.issued_at < BASE - 15


def whom(token, level):
    return "" if level == "everything" else token[LEVELS[level]]


def frozen(token, snapshot):
    """At which levels the token is frozen."""
    return {level for level, refs in snapshot.frozen.items() if whom(token, level) in refs}


def revoked(token, snapshot):
    """At which levels there is an epoch that the token is not younger than."""
    return {
        level
        for level, times in snapshot.epochs.items()
        for ref, at in times.items()
        if ref == whom(token, level) and token["iat"] <= int(at)
    }


def status(token, standing):
    """True for valid, False for not, None when it is not known."""
    if "status" not in token:
        return True
    listed = standing.lists.get(URI)
    if listed is None or listed.expires_at <= BASE or listed.issued_at < BASE - 15:
        return None
    bits = "".join(f"{byte:08b}"[::-1] for byte in listed.packed)
    idx = token["status"]["status_list"]["idx"]
    return idx < len(bits) and bits[idx] == "0"


def by_the_portal(token, standing):
    return (
        not silent_too_long(standing)
        and not frozen(token, standing.snapshot)
        and not revoked(token, standing.snapshot)
        and status(token, standing) is True
    )


def allowed(token, standing, scope):
    """Whether every level says yes, one by one."""
    return (
        by_the_portal(token, standing)
        and (token["iss"], token["aud"], token["kind"]) == ("i", "a", "live")
        and token["iat"] <= BASE + 5
        and token.get("nbf", 0) <= BASE + 5
        and token["exp"] - token["iat"] <= 300
        and token["exp"] > BASE - 5
        and (scope is None or (scope != "" and set(scope.split()) <= set(token["scope"].split())))
    )


FRESH = Standing(Snapshot(1, BASE, BASE + 15, {}, {}))
GOOD = {
    "iss": "i",
    "aud": "a",
    "kind": "live",
    "scope": "x:y",
    "iat": BASE,
    "exp": BASE + 60,
    "jti": "j",
    **dict.fromkeys(LEVELS.values(), "1"),
}


@settings(max_examples=400, deadline=None)
@given(claims, standings, scopes)
@example(GOOD, FRESH, "x:y")
@example(GOOD, None, "x:y")
def test_allowed_only_if_every_level_allows(token, standing, scope):
    verdict = decide(read_identity(token), standing, BASE, scope, RULES)
    assert verdict.allowed == allowed(token, standing, scope)
    assert verdict.identity == read_identity(token)


@settings(max_examples=200, deadline=None)
@given(claims, standings)
def test_what_is_under_way_ends_by_the_portals_word_alone(token, standing):
    verdict = still_stands(read_identity(token), standing, BASE, RULES)
    assert verdict.allowed == by_the_portal(token, standing)


@settings(max_examples=200, deadline=None)
@given(claims, standings, scopes)
def test_the_reason_that_is_told_is_true(token, standing, scope):
    verdict = decide(read_identity(token), standing, BASE, scope, RULES)
    truth = {
        Code.ALLOWED: lambda: allowed(token, standing, scope),
        Code.SNAPSHOT_STALE: lambda: silent_too_long(standing),
        Code.WRONG_ISSUER: lambda: token["iss"] != "i",
        Code.WRONG_AUDIENCE: lambda: token["aud"] != "a",
        Code.WRONG_KIND: lambda: token["kind"] != "live",
        Code.NOT_YET_VALID: lambda: max(token["iat"], token.get("nbf", 0)) > BASE + 5,
        Code.LIVES_TOO_LONG: lambda: token["exp"] - token["iat"] > 300,
        Code.EXPIRED: lambda: token["exp"] <= BASE - 5,
        Code.FROZEN: lambda: verdict.level in frozen(token, standing.snapshot),
        Code.REVOKED: lambda: verdict.level in revoked(token, standing.snapshot),
        Code.STATUS_LIST_STALE: lambda: status(token, standing) is None,
        Code.STATUS_NOT_VALID: lambda: status(token, standing) is False,
        Code.SCOPE_NOT_HELD: lambda: scope is not None,
    }
    assert truth[verdict.code]()
    assert bool(verdict.level) == (verdict.code in {Code.FROZEN, Code.REVOKED})


def test_the_examples_are_what_they_should_be():
    """Or the properties above would hold for a decision that always says no."""
    assert decide(read_identity(GOOD), FRESH, BASE, "x:y", RULES).allowed
    assert isinstance(read_identity(GOOD), Identity)


def test_each_code_has_the_status_callers_are_told():
    told = {code: int(code.http_status) for code in Code}
    assert {code for code, status in told.items() if status == 200} == {Code.ALLOWED}
    assert {code for code, status in told.items() if status == 403} == {Code.SCOPE_NOT_HELD}
    assert {code for code, status in told.items() if status == 503} == {
        Code.SNAPSHOT_STALE,
        Code.STATUS_LIST_STALE,
        Code.KEYS_STALE,
    }
    assert set(told.values()) == {200, 401, 403, 503}
