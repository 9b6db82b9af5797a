"""A key in use is revoked where its row lies, so that many cost little."""

import pytest
from django.db import connection
from django.utils import timezone

from portal.credentials import services as keys
from portal.credentials.models import Credential
from portal.credentials.services.killing import kill_credentials
from tests.factories import stories
from tests.factories.credentials import CredentialFactory, GrantFactory, make_live_key

pytestmark = pytest.mark.django_db

# Enough of them to fill some pages as full as pages get.
MANY = 200


def updates():
    """(how many rows this transaction has updated, how many of these in place)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)"
            " FROM pg_class WHERE relname = 'credentials_credential'"
        )
        return cursor.fetchone()


def in_use(count):
    grant = GrantFactory()
    pattern = make_live_key(grant=grant)[0]
    now = timezone.now()
    Credential.objects.bulk_create(
        Credential(
            kid=f"{n:016}",
            grant=grant,
            name="A key with a name",
            status="active",
            scopes=pattern.scopes,
            digest=pattern.digest,
            pepper_version=pattern.pepper_version,
            ready_at=now,
            claimed_at=now,
            claimed_by=grant.holder,
            expires_at=pattern.expires_at,
        )
        for n in range(count - 1)
    )
    return Credential.objects.filter(grant=grant)


def revoke_in(case):
    responder = stories.responder()

    def kill(credentials):
        return kill_credentials(
            credentials, reason="misuse", by=responder, by_staff=True, case=case
        )

    return kill


@pytest.mark.parametrize("case", ["CASE-99999999", None])
def test_every_key_in_use_is_revoked_in_place(case):
    credentials, kill = in_use(MANY), revoke_in(case)
    before = updates()
    assert len(kill(credentials)) == MANY
    all_, in_place = (now - then for now, then in zip(updates(), before, strict=True))
    assert (all_, in_place) == (MANY, MANY)


def test_one_key_is_revoked_in_place_from_its_page():
    (credential,) = in_use(1)
    responder = stories.responder()
    before = updates()
    keys.revoke_credential(kid=credential.kid, reason="misuse", by=responder)
    assert updates() == tuple(each + 1 for each in before)


def test_no_index_knows_of_what_revoking_changes():
    """Also of slots, so that what is left of them costs as little as can be."""
    changed = {
        *("status", "revoked_at", "revoked_by_id", "revoked_with_key"),
        *("revoked_reason", "revoked_by_staff"),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT attname FROM pg_depend JOIN pg_attribute"
            " ON attrelid = refobjid AND attnum = refobjsubid"
            " JOIN pg_index ON indexrelid = objid"
            " WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass"
            " AND refobjid = 'credentials_credential'::regclass"
        )
        indexed = {name for (name,) in cursor.fetchall()}
    assert {"kid", "grant_id", "waiting", "put_away"} <= indexed  # the question finds them
    assert not indexed & changed


def test_slots_wait_as_their_status_says():
    for status, waits in {"requested": True, "ready": True, "lapsed": False}.items():
        CredentialFactory(status=status)
        assert list(Credential.objects.filter(status=status).values_list("waiting", flat=True)) == [
            waits
        ]


def put_away():
    return dict(Credential.objects.order_by("status").values_list("status", "put_away"))


def test_the_clock_looks_once_at_what_is_over():
    past = timezone.now()
    grant = GrantFactory()
    revoked, _ = make_live_key(grant=grant)
    kill = revoke_in(None)
    kill(Credential.objects.filter(pk=revoked.pk))
    make_live_key(grant=grant)
    CredentialFactory(grant=grant)
    CredentialFactory(grant=grant, status="retired", ready_at=past)
    assert keys.close_what_is_over(by=stories.WORKER) == 0
    assert put_away() == dict.fromkeys(["active", "ready", "retired", "revoked"], False)
    Credential.objects.update(expires_at=past)
    assert keys.close_what_is_over(by=stories.WORKER) == 2
    assert put_away() == dict.fromkeys(["expired", "lapsed", "retired", "revoked"], True)
    assert keys.close_what_is_over(by=stories.WORKER) == 0
