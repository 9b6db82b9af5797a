"""The file that tells of a key is its grant's, whatever is written."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.db import connection
from django.utils import timezone

from portal.credentials.models import Credential, Epoch
from tests.factories.credentials import GrantFactory, make_live_key

pytestmark = pytest.mark.django_db


def test_a_key_is_born_with_the_file_of_its_grant():
    key, _token = make_live_key()
    assert Credential.objects.get(pk=key.pk).thread == key.grant.application.ref
    slot = Credential.objects.create(kid="0123456789ABCDEF", grant=key.grant, scopes=[])
    assert slot.thread == key.grant.application.ref


@pytest.mark.parametrize("setting", ["thread = 'APP-99999999'", "thread = '', name = 'Another'"])
def test_nobody_gives_it_another(setting):
    key, _token = make_live_key()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE credentials_credential SET {setting} WHERE id = %s", [key.pk])
    assert Credential.objects.get(pk=key.pk).thread == key.grant.application.ref


def test_a_key_that_moves_is_told_of_where_it_goes():
    key, _token = make_live_key()
    other = GrantFactory()
    Credential.objects.filter(pk=key.pk).update(grant=other)
    assert Credential.objects.get(pk=key.pk).thread == other.application.ref


def test_keys_that_were_there_before_get_theirs_and_no_gateway_forgets_a_thing():
    key, _token = make_live_key()
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE credentials_credential DISABLE TRIGGER thread_of_key")
    Credential.objects.bulk_create(
        Credential(
            kid=f"{number:016}",
            grant=key.grant,
            status="active",
            scopes=key.scopes,
            digest=key.digest,
            pepper_version=key.pepper_version,
            claimed_at=now,
            claimed_by=key.grant.holder,
            expires_at=key.expires_at,
        )
        for number in range(250)
    )
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE credentials_credential ENABLE TRIGGER thread_of_key")
    there = Credential.objects.filter(grant=key.grant)
    assert there.filter(thread="").count() == 250
    epochs = Epoch.objects.count()
    migration = import_module("portal.credentials.migrations.0022_threads_of_keys_there")
    migration.give_threads(None, SimpleNamespace(connection=connection))
    assert set(there.values_list("thread", flat=True)) == {key.grant.application.ref}
    assert Epoch.objects.count() == epochs
    assert not migration.Migration.atomic  # a transaction each, and no lock for as long as it takes
