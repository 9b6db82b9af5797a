"""The decision over what is true of a key, against a model of its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.credentials.enums import CredentialStatus, DenyCode, GrantStatus
from portal.credentials.facts import Facts
from portal.credentials.verification import decide

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
HERE = "https://model.example.org"

GOOD = Facts(
    kid="0123456789ABCDEf",
    key_status=CredentialStatus.ACTIVE,
    key_expires_at=NOW + DAY,
    key_scopes=frozenset({"model:infer", "cyber:scan", "cyber:exploit-analysis"}),
    claimed_at=NOW - DAY,
    grant_ref="GRT-AAAAAAAA",
    grant_status=GrantStatus.ACTIVE,
    grant_starts_at=NOW - DAY,
    grant_ends_at=NOW + 2 * DAY,
    grant_scopes=frozenset({"model:infer", "cyber:scan", "bio:screen"}),
    requests_per_minute=60,
    tokens_per_day=1000,
    holder_ref="USR-AAAAAAAA",
    holder_active=True,
    organization_ref="ORG-AAAAAAAA",
    organization_active=True,
    member=True,
    phase_ref="PHA-AAAAAAAA",
    phase_halted=False,
    release_ref="REL-AAAAAAAA",
    agreement_current=True,
    frozen=frozenset(),
    audience=HERE,
)

# Every level: its value, whether that value allows, and what is told if it is the first to deny.
KEY = [
    *((("active", NOW + after), True, None) for after in (SECOND, DAY)),
    *((("active", NOW - before), False, "key_expired") for before in (0 * DAY, SECOND)),
    (("active", None), False, "key_expired"),
    (("expired", NOW + DAY), False, "key_expired"),
    *(
        ((status, expiry), False, "key_revoked" if status == "revoked" else "key_not_active")
        for status in ("requested", "ready", "retired", "revoked", "lapsed")
        for expiry in (NOW + DAY, NOW - DAY, None)
    ),
]
GRANT = [
    ((status, *dates), status == "active" and fits)
    for status in GrantStatus.values
    for dates, fits in [
        ((NOW - DAY, NOW + DAY), True),
        ((NOW, NOW + SECOND), True),
        ((NOW + SECOND, NOW + DAY), False),
        ((NOW - DAY, NOW), False),
    ]
]
SCOPE = [
    (None, True),
    ("model:infer", True),
    ("model:infer cyber:scan", True),
    ("cyber:exploit-analysis", False),  # in the key, no longer in the grant
    ("bio:screen", False),  # in the grant, not in the key
    ("model:infer bio:screen", False),
    ("model:*", False),
    ("", False),
    (" ", False),
]


# In the order told; the first is a case of revocation that holds the key.
FREEZES = ["contained", "person", "organization", "phase", "release", "everything"]


def told(key, grant, holder, organization, halted, signed, frozen, audience, kind, scope):
    """What the model of this page says: the first level that denies, or nothing."""
    rules = [
        ("revoked" not in frozen, "key_revoked"),  # by a case that workers have yet to finish
        (key[1], key[2]),
        (grant[0][0] == "active", "grant_not_active"),
        (grant[0][1] <= NOW < grant[0][2], "grant_out_of_dates"),
        (holder, "holder_not_active"),
        (organization[0] in (True, None), "organization_not_active"),
        (organization[1] in (True, None), "not_a_member"),
        (not halted, "phase_halted"),
        (signed, "agreement_not_current"),
        (FREEZES[0] not in frozen, "frozen_case"),
        *((level not in frozen, f"frozen_{level}") for level in FREEZES[1:]),
        (audience == HERE, "wrong_audience"),
        (kind != ("test", False), "wrong_kind"),
        (scope[1], "scope_not_held"),
    ]
    return next((code for holds, code in rules if not holds), "")


def judged(key, grant, holder, organization, halted, signed, frozen, audience, kind, scope):
    """What the code says."""
    facts = replace(
        GOOD,
        key_status=key[0][0],
        key_expires_at=key[0][1],
        grant_status=grant[0][0],
        grant_starts_at=grant[0][1],
        grant_ends_at=grant[0][2],
        holder_active=holder,
        organization_active=organization[0],
        member=organization[1],
        phase_halted=halted,
        agreement_current=signed,
        frozen=frozenset(frozen),
        kind=kind[0],
    )
    return decide(facts, audience=audience, scope=scope[0], now=NOW, sandbox=kind[1])


BOTH = (True, False)
PARTNER = [*product(BOTH, BOTH), (None, None)]
ELSEWHERE = "https://elsewhere.example.org"
REFUSED = [("revoked", NOW + DAY), ("lapsed", NOW + DAY)]
ONE_OF_EACH = [  # every level with a value that allows and one that denies
    [KEY[0], KEY[2], *(each for each in KEY if each[0] in REFUSED)],
    [
        next(g for g in GRANT if g[1]),
        next(g for g in GRANT if g[0][0] == "active" and not g[1]),
        GRANT[-1],
    ],
    BOTH,
    PARTNER,
    BOTH,
    BOTH,
    [(), *((level,) for level in FREEZES), tuple(FREEZES), ("revoked",)],
    (HERE, ELSEWHERE),
    [("live", False), ("test", False)],
    [SCOPE[1], SCOPE[3]],
]
EVERY_VALUE = [
    KEY,
    GRANT,
    BOTH,
    PARTNER,
    BOTH,
    BOTH,
    [each for n in range(8) for each in combinations([*FREEZES, "revoked"], n)],
    (HERE, ELSEWHERE),
    [*product(("live", "test"), BOTH)],  # of the key, and whether a sandbox's gateway asks
    SCOPE,
]


def test_the_whole_product_of_levels():
    seen = dict.fromkeys([*DenyCode.values, ""], 0)
    for case in product(*ONE_OF_EACH):
        verdict, code = judged(*case), told(*case)
        assert (verdict.allowed, verdict.code) == (code == "", code)
        seen[code] += 1
    # Each reason came up but for those about what there are no facts of.
    assert {code for code, times in seen.items() if not times} == {
        "malformed",
        "unknown_key",
        "token_invalid",
    }
    assert sum(seen.values()) == 4 * 3 * 2 * 5 * 2 * 2 * 9 * 2 * 2 * 2


@given(st.tuples(*map(st.sampled_from, EVERY_VALUE)))
@settings(max_examples=400)
def test_every_value_of_every_level(case):
    verdict, code = judged(*case), told(*case)
    assert (verdict.allowed, verdict.code) == (code == "", code)


@pytest.mark.parametrize("level", range(len(EVERY_VALUE)))
def test_every_value_of_one_level_while_all_others_allow(level):
    allowing = [each[0] for each in ONE_OF_EACH]
    for value in EVERY_VALUE[level]:
        case = [*allowing[:level], value, *allowing[level + 1 :]]
        verdict, code = judged(*case), told(*case)
        assert (verdict.allowed, verdict.code) == (code == "", code)


def test_every_refusal_says_why():
    verdict = decide(replace(GOOD, phase_halted=True), audience=HERE, scope=None, now=NOW)
    assert verdict.reason == DenyCode.PHASE_HALTED.label


def test_facts_show_no_digest():
    assert "PLANTED" not in repr(replace(GOOD, digest=b"PLANTED", pepper_version=1))


def test_a_key_stops_with_whatever_ends_first():
    assert GOOD.expires_at == NOW + DAY
    assert replace(GOOD, key_expires_at=NOW + 9 * DAY).expires_at == NOW + 2 * DAY
    assert replace(GOOD, key_expires_at=None).expires_at == NOW + 2 * DAY
