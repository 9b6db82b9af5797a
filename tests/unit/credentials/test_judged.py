"""Many grants at once are answered as the doors answer about a key under each."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from portal.credentials.judged import refused_grants
from portal.credentials.verification import LEVELS, explain_many
from tests.factories.accounts import OrganizationFactory, UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.programs import AgreementVersionFactory, RolloutPhaseFactory, SignatureFactory

pytestmark = pytest.mark.django_db

OF_ONE_KEY = {"key_revoked", "key_expired", "key_not_active", "frozen_case"}
ABOUT_THE_QUESTION = {"wrong_audience", "wrong_kind", "scope_not_held"}


def changed(row, **fields):
    type(row).objects.filter(pk=row.pk).update(**fields)


def stopped(row, how):
    changed(row, **{f"{how}_at": timezone.now(), f"{how}_by": UserFactory()})


def dated(grant, since, until):
    now, hour = timezone.now(), timedelta(hours=1)
    changed(grant, starts_at=now + since * hour, ends_at=now + until * hour)


def freeze(level, target=""):
    with connection.cursor() as cursor:
        cursor.execute("SELECT portal_freeze(%s, %s)", [level, target])


def newer_agreement(key):
    release = key.grant.phase.release
    return AgreementVersionFactory(release=release, number=release.agreements.count() + 1)


def another_text(key):
    SignatureFactory(agreement=newer_agreement(key), user=key.grant.holder, sha256="0" * 64)


HARMS = {
    "suspended": lambda k: changed(k.grant, status="suspended"),
    "over": lambda k: dated(k.grant, -1, 0),
    "to come": lambda k: dated(k.grant, 1, 2),
    "holder closed": lambda k: changed(k.grant.holder, is_active=False),
    "holder suspended": lambda k: stopped(k.grant.holder, "suspended"),
    "partner suspended": lambda k: (
        k.grant.organization and stopped(k.grant.organization, "suspended")
    ),
    "left": lambda k: k.grant.holder.memberships.all().delete(),
    "halted": lambda k: stopped(k.grant.phase, "halted"),
    "agreement": newer_agreement,
    "another text": another_text,
    "person": lambda k: freeze("person", k.grant.holder.ref),
    "partner": lambda k: k.grant.organization and freeze("organization", k.grant.organization.ref),
    "phase": lambda k: freeze("phase", k.grant.phase.ref),
    "release": lambda k: freeze("release", k.grant.phase.release.ref),
    "everything": lambda _: freeze("everything"),
}


@pytest.fixture
def keys():
    """Two colleagues', another's of their phase, their partner's in a later one, and a stranger's;
    of the first release all have signed the newest terms.
    """
    first = RolloutPhaseFactory()
    later, elsewhere = RolloutPhaseFactory(release=first.release), RolloutPhaseFactory()
    partner = OrganizationFactory()
    places = [
        (first, partner),
        (first, partner),
        (first, None),
        (later, partner),
        (elsewhere, None),
    ]
    found = [
        make_live_key(grant__application__phase=phase, grant__application__organization=who)[0]
        for phase, who in places
    ]
    AgreementVersionFactory(release=first.release)
    newest = AgreementVersionFactory(release=first.release, number=2)
    for key in found[:-1]:
        SignatureFactory(agreement=newest, user=key.grant.holder)
    return found


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(harms=st.lists(st.tuples(st.sampled_from(list(HARMS)), st.integers(0, 4)), max_size=4))
def test_all_at_once_are_answered_as_each_key_is(keys, harms):
    with transaction.atomic():
        for name, index in harms:
            HARMS[name](keys[index])
        said = explain_many(key.kid for key in keys)
        found = refused_grants(key.grant_id for key in keys)
        transaction.set_rollback(True)
    told = {key.grant_id: said[key.kid] for key in keys if not said[key.kid]}
    event(" and ".join(sorted({verdict.code for verdict in told.values()})) or "all work")
    assert found == told


@pytest.mark.parametrize("name", HARMS)
def test_each_harm_by_itself(keys, name):
    """And each level that is not about one key comes up: the drawing above could miss one."""
    HARMS[name](keys[0])
    said = explain_many(key.kid for key in keys)
    assert not said[keys[0].kid]
    assert refused_grants([key.grant_id for key in keys]) == {
        key.grant_id: said[key.kid] for key in keys if not said[key.kid]
    }


def test_every_level_about_a_grant_is_harmed_above(keys):
    found = set()
    for harm in HARMS.values():
        with transaction.atomic():
            harm(keys[0])
            found |= {verdict.code for verdict in refused_grants([keys[0].grant_id]).values()}
            transaction.set_rollback(True)
    levels = {code.value for code, _denies in LEVELS}
    assert found == levels - OF_ONE_KEY - ABOUT_THE_QUESTION


def test_only_those_asked_about_are_told_of(keys):
    freeze("everything")
    assert set(refused_grants([keys[1].grant_id])) == {keys[1].grant_id}
    assert refused_grants([]) == {}
