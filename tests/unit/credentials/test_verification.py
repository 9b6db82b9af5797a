"""What doors decide of keys as they stand in PostgreSQL."""

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Organization
from portal.credentials import secrets, verification
from portal.credentials.enums import CredentialStatus
from portal.credentials.facts import Facts, read_facts
from portal.credentials.models import Credential
from portal.credentials.services import contain_revocation, preview_revocation
from portal.credentials.targets import Selector
from portal.credentials.verification import explain, explain_many, verify
from portal.programs.models import AgreementVersion
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import CredentialFactory, make_live_key
from tests.factories.programs import AgreementVersionFactory, SignatureFactory
from tests.factories.stories import responder
from tests.unit.credentials.test_decision import DAY, HERE, NOW


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
