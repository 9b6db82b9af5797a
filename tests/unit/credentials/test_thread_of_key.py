"""The file that tells of a key is its grant's, whatever is written."""

import pytest
from django.db import connection

from portal.credentials.models import Credential
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
