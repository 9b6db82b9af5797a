"""What a foreign key would see to, of the items of cases, PostgreSQL sees to by triggers."""

import pytest
from django.db import Error, connection, transaction

from portal.credentials.models import Credential, Revocation, RevocationItem
from tests.factories import stories
from tests.factories.credentials import make_live_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def item():
    return RevocationItem.objects.create(revocation=made(), credential=make_live_key()[0])


def made():
    return Revocation.objects.create(
        selector={"kids": []}, reason="incident", requested_by=stories.responder()
    )


def refused(message, act):
    with pytest.raises(Error, match=message), transaction.atomic():
        act()


@pytest.mark.parametrize("missing", ["revocation_id", "credential_id"])
def test_an_item_names_what_is_there_whatever_else_the_statement_writes(item, missing):
    good = {"revocation_id": made().pk, "credential_id": item.credential_id}
    other = {"revocation_id": item.revocation_id, "credential_id": make_live_key()[0].pk}
    rows = [RevocationItem(**good), RevocationItem(**other | {missing: 10**9})]
    refused("not there", lambda: RevocationItem.objects.bulk_create(rows))
    assert RevocationItem.objects.get() == item


@pytest.mark.parametrize("field", ["revocation_id", "credential_id"])
def test_an_item_never_moves(item, field):
    elsewhere = {"revocation_id": made().pk, "credential_id": make_live_key()[0].pk}[field]
    refused("stays", lambda: RevocationItem.objects.update(**{field: elsewhere}))
    RevocationItem.objects.update(status="done")
    item.refresh_from_db()
    assert (item.status, getattr(item, field) == elsewhere) == ("done", False)


@pytest.mark.parametrize("model", [Credential, Revocation])
def test_no_key_and_no_case_is_ever_deleted(item, model):
    table = model._meta.db_table

    def delete():
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")

    refused("is evidence", delete)
    assert model.objects.count() == 1
