from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Organization
from portal.credentials import secrets, verification
from portal.credentials.enums import CredentialStatus, DenyCode, GrantStatus
from portal.credentials.facts import Facts, read_facts
from portal.credentials.models import Credential
from portal.credentials.services import contain_revocation, preview_revocation
from portal.credentials.targets import Selector
from portal.credentials.verification import decide, explain, explain_many, verify
from portal.programs.models import AgreementVersion
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import CredentialFactory, make_live_key
from tests.factories.programs import AgreementVersionFactory, SignatureFactory
from tests.factories.stories import responder

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


def told(key, grant, holder, organization, halted, signed, frozen, audience, scope):
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
        (scope[1], "scope_not_held"),
    ]
    return next((code for holds, code in rules if not holds), "")


def judged(key, grant, holder, organization, halted, signed, frozen, audience, scope):
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
    )
    return decide(facts, audience=audience, scope=scope[0], now=NOW)


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
    SCOPE,
]


def test_the_whole_product_of_levels():
    seen = dict.fromkeys([*DenyCode.values, ""], 0)
    for case in product(*ONE_OF_EACH):
        verdict, code = judged(*case), told(*case)
        assert (verdict.allowed, verdict.code) == (code == "", code)
        seen[code] += 1
    # Each reason came up; these are about what there are no facts of, and the last has a table of
    # its own.
    assert {code for code, times in seen.items() if not times} == {
        "malformed",
        "unknown_key",
        "token_invalid",
        "wrong_kind",
    }
    assert sum(seen.values()) == 4 * 3 * 2 * 5 * 2 * 2 * 9 * 2 * 2


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


@pytest.mark.parametrize("scope", SCOPE)
@pytest.mark.parametrize("audience", [HERE, "https://elsewhere.example.org"])
@pytest.mark.parametrize(("kind", "sandbox"), list(product(("live", "test"), (False, True))))
def test_a_test_key_is_taken_by_sandboxes_only(kind, sandbox, audience, scope):
    facts = replace(GOOD, kind=kind)
    verdict = decide(facts, audience=audience, scope=scope[0], now=NOW, sandbox=sandbox)
    rules = [
        (audience == HERE, "wrong_audience"),
        (kind == "live" or sandbox, "wrong_kind"),
        (scope[1], "scope_not_held"),
    ]
    assert verdict.code == next((code for holds, code in rules if not holds), "")


def test_every_refusal_says_why():
    verdict = decide(replace(GOOD, phase_halted=True), audience=HERE, scope=None, now=NOW)
    assert verdict.reason == DenyCode.PHASE_HALTED.label


def test_facts_show_no_digest():
    assert "PLANTED" not in repr(replace(GOOD, digest=b"PLANTED", pepper_version=1))


def test_a_key_stops_with_whatever_ends_first():
    assert GOOD.expires_at == NOW + DAY
    assert replace(GOOD, key_expires_at=NOW + 9 * DAY).expires_at == NOW + 2 * DAY
    assert replace(GOOD, key_expires_at=None).expires_at == NOW + 2 * DAY


# --- From PostgreSQL ------------------------------------------------------------------------


@pytest.fixture
def live(db):
    return make_live_key()


def audience_of(credential):
    return credential.grant.phase.release.audience


def ask(credential, token, scope="model:infer"):
    return verify(token, audience=audience_of(credential), scope=scope)


def test_the_statement_reads_what_stands_in_the_tables(db):
    organization = OrganizationFactory()
    credential, token = make_live_key(
        grant__application__organization=organization,
        grant__scopes=["cyber:scan", "model:infer"],
        grant__requests_per_minute=7,
        grant__tokens_per_day=12_000_000_000,
        scopes=["model:infer"],
    )
    credential.refresh_from_db()
    grant = credential.grant
    grant.refresh_from_db()
    assert read_facts(credential.kid) == Facts(
        kid=credential.kid,
        key_status="active",
        key_expires_at=credential.expires_at,
        key_scopes=frozenset({"model:infer"}),
        claimed_at=credential.claimed_at,
        grant_ref=grant.ref,
        grant_status="active",
        grant_starts_at=grant.starts_at,
        grant_ends_at=grant.ends_at,
        grant_scopes=frozenset({"model:infer", "cyber:scan"}),
        requests_per_minute=7,
        tokens_per_day=12_000_000_000,
        holder_ref=grant.holder.ref,
        holder_active=True,
        organization_ref=organization.ref,
        organization_active=True,
        member=True,
        phase_ref=grant.phase.ref,
        phase_halted=False,
        release_ref=grant.phase.release.ref,
        agreement_current=True,
        frozen=frozenset(),
        audience=grant.phase.release.audience,
        pepper_version=credential.pepper_version,
        digest=bytes(credential.digest),
    )
    assert ask(credential, token).verdict


def test_without_an_organisation(live):
    facts = read_facts(live[0].kid)
    assert (facts.organization_ref, facts.organization_active) == (None, None)


@pytest.mark.parametrize("started", [None, NOW])
@pytest.mark.parametrize("rotated", [False, True])
def test_the_first_use_of_a_key_in_anothers_place_is_seen(live, rotated, started):
    old, _token = live
    more = {"replaces": old, "overlap": DAY, "overlap_started_at": started} if rotated else {}
    new, token = make_live_key(grant=old.grant, **more)
    found = ask(new, token)
    assert (found.verdict.allowed, found.facts.first_use) == (True, rotated and not started)


def test_explaining_asks_the_door_that_takes_the_kind(db):
    key, token = make_live_key(kind="test")
    assert explain(key.kid)
    assert ask(key, token).verdict.code == "wrong_kind"
    found = verify(token, audience=audience_of(key), scope=None, sandbox=True)
    assert (found.verdict.allowed, found.facts.kind) == (True, "test")


def test_an_unclaimed_key_has_no_digest(db):
    slot = CredentialFactory()
    assert read_facts(slot.kid).digest is None
    assert verify(
        secrets.mint(slot.kid).token, audience=audience_of(slot), scope=None
    ).verdict.code == ("unknown_key")
    assert explain(slot.kid).code == "key_not_active"


def suspend(row):
    row.suspended_at, row.suspended_by = timezone.now(), UserFactory()
    row.save()


def revoke(credential):
    credential.status = CredentialStatus.REVOKED
    credential.revoked_at, credential.revoked_by = timezone.now(), UserFactory()
    credential.save()


def halt(phase):
    phase.halted_at, phase.halted_by = timezone.now(), UserFactory()
    phase.save()


def changed(row, **fields):
    type(row).objects.filter(pk=row.pk).update(**fields)


def freeze(level, target=""):
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_freeze(%s, %s)", [level, target])


def contain(credential):
    by = responder()
    case = preview_revocation(
        selector=Selector(kids=credential.kid), reason="incident", note="", by=by
    )
    contain_revocation(revocation_id=case.pk, by=by)


LEVELS = {
    "key_revoked": revoke,
    "key_expired": lambda c: changed(c, expires_at=timezone.now()),
    "key_not_active": lambda c: changed(c, status="retired"),
    "grant_not_active": lambda c: changed(c.grant, status="suspended"),
    "grant_out_of_dates": lambda c: changed(c.grant, ends_at=timezone.now()),
    "holder_not_active": lambda c: suspend(c.grant.holder),
    "organization_not_active": lambda c: suspend(c.grant.organization),
    "not_a_member": lambda c: c.grant.holder.memberships.all().delete(),
    "phase_halted": lambda c: halt(c.grant.phase),
    "agreement_not_current": lambda c: AgreementVersionFactory(release=c.grant.phase.release),
    "frozen_case": contain,
    "frozen_person": lambda c: freeze("person", c.grant.holder.ref),
    "frozen_organization": lambda c: freeze("organization", c.grant.organization.ref),
    "frozen_phase": lambda c: freeze("phase", c.grant.phase.ref),
    "frozen_release": lambda c: freeze("release", c.grant.phase.release.ref),
    "frozen_everything": lambda c: freeze("everything"),
    "wrong_audience": lambda c: changed(
        c.grant.phase.release, audience="https://moved.example.org"
    ),
    "wrong_kind": lambda c: changed(c, kind="test"),
    "scope_not_held": lambda c: changed(c.grant, scopes=["cyber:scan"]),
}


@pytest.mark.parametrize("code", LEVELS)
def test_each_level_denies_at_the_very_next_call(db, code):
    credential, token = make_live_key(grant__application__organization=OrganizationFactory())
    audience = audience_of(credential)
    assert verify(token, audience=audience, scope="model:infer").verdict
    LEVELS[code](credential)
    found = verify(token, audience=audience, scope="model:infer")
    assert (found.verdict.allowed, found.verdict.code, found.kid) == (False, code, credential.kid)
    assert found.facts.kid == credential.kid


def test_every_level_of_the_decision_is_broken_above():
    assert list(LEVELS) == [code.value for code, _denies in verification.LEVELS]


def test_a_closed_account_denies(live):
    changed(live[0].grant.holder, is_active=False)
    assert ask(*live).verdict.code == "holder_not_active"


def test_the_newest_agreement_counts_and_by_its_exact_text(live):
    grant = live[0].grant
    release = grant.phase.release
    SignatureFactory(agreement=AgreementVersionFactory(release=release), user=grant.holder)
    assert ask(*live).verdict
    newer = AgreementVersionFactory(release=release, number=2)
    assert ask(*live).verdict.code == "agreement_not_current"
    SignatureFactory(agreement=newer, user=UserFactory())
    assert ask(*live).verdict.code == "agreement_not_current"
    signature = SignatureFactory(agreement=newer, user=grant.holder, sha256="0" * 64)
    assert ask(*live).verdict.code == "agreement_not_current"
    assert signature.agreement == AgreementVersion.objects.get(number=2)


def test_signing_the_newest_agreement_lets_the_key_work_again(live):
    grant = live[0].grant
    AgreementVersionFactory(release=grant.phase.release)
    newer = AgreementVersionFactory(release=grant.phase.release, number=2)
    SignatureFactory(agreement=newer, user=grant.holder)
    assert ask(*live).verdict


def test_another_releases_agreement_is_of_no_concern(live):
    AgreementVersionFactory()
    assert ask(*live).verdict


def test_unknown_kid_and_wrong_secret_look_the_same(live):
    credential, _token = live
    wrong = secrets.mint(credential.kid).token
    unknown = secrets.mint(secrets.new_kid()).token
    for token in (wrong, unknown):
        found = ask(credential, token)
        assert (found.verdict.code, found.facts) == ("unknown_key", None)
        assert found.kid == secrets.parse(token)


def test_junk_never_reaches_the_database(django_assert_num_queries, db):
    with django_assert_num_queries(0):
        for junk in ("", "tpk_live_", secrets.mint(secrets.new_kid()).token[:-1] + "_"):
            found = verify(junk, audience=HERE, scope=None)
            assert (found.verdict.code, found.facts, found.kid) == ("malformed", None, None)


def test_a_key_of_the_other_kind_does_not_pass(live):
    credential, token = live
    body = token.replace("tpk_live_", "tpk_test_")[:-6]
    forged = body + secrets._checksum(body)
    assert secrets.parse(forged) == credential.kid
    assert ask(credential, forged).verdict.code == "unknown_key"


def test_explain_says_what_the_doors_do(live):
    credential, _token = live
    assert explain(credential.kid, scope="model:infer")
    assert explain(credential.kid, scope="cyber:scan").code == "scope_not_held"
    revoke(credential)
    assert explain(credential.kid).code == "key_revoked"
    assert explain("0000000000000000").code == "unknown_key"


def test_explaining_a_page_of_keys_is_one_statement(db, django_assert_num_queries):
    keys = [make_live_key()[0] for _ in range(3)]
    suspend(keys[1].grant.holder)
    kids = [key.kid for key in keys]
    with django_assert_num_queries(1):
        verdicts = explain_many([*kids, "0000000000000000"])
    assert [verdicts[kid].code for kid in kids] == ["", "holder_not_active", ""]
    assert verdicts["0000000000000000"].code == "unknown_key"


def test_suspended_organisation_is_read(db):
    organization = OrganizationFactory()
    credential, _ = make_live_key(grant__application__organization=organization)
    suspend(Organization.objects.get(pk=organization.pk))
    assert read_facts(credential.kid).organization_active is False
    assert Credential.objects.get(pk=credential.pk).status == "active"
