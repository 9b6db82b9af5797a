"""After a test that committed nothing is left of it, and what is sealed is sealed again."""

import pytest
from django.db import ProgrammingError, connection

from accounts.models import User
from portal.audit.models import Event
from portal.credentials.models import Grant
from tests import emptying
from tests.factories import stories

pytestmark = pytest.mark.django_db(transaction=True)
_STANDING = (
    "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2",
    "SELECT oid::regclass::text, relacl::text FROM pg_class WHERE relkind = 'r' ORDER BY 1",
    "SELECT attrelid::regclass::text, attname, attacl::text FROM pg_attribute ORDER BY 1, 2",
    "SELECT count(*) FROM auth_permission",
    "SELECT count(*) FROM auth_group_permissions",
)


def rows(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.mark.parametrize("many", [2_000, 1], ids=["row by row", "whole tables"])
def test_nothing_is_left_and_what_is_sealed_stays_so(monkeypatch, many):
    monkeypatch.setattr(emptying, "_MANY", many)
    before = [rows(each) for each in _STANDING]
    stories.claimed()
    emptying.empty_database()
    assert [model.objects.count() for model in (User, Grant, Event)] == [0, 0, 0]
    with connection.cursor() as cursor:
        assert emptying._filled(cursor) == ([], False)
    assert [rows(each) for each in _STANDING] == before
    stories.claimed()
    with pytest.raises(ProgrammingError):
        Event.objects.all()._raw_delete("default")


def test_what_is_written_meanwhile_is_taken_at_another_look(monkeypatch):
    looks, look = [], emptying._filled

    def too_early(cursor):
        filled, many = look(cursor)
        looks.append(filled)
        return [table for table in filled if len(looks) > 1 or table != "credentials_grant"], many

    monkeypatch.setattr(emptying, "_filled", too_early)
    stories.claimed()
    emptying.empty_database()
    assert len(looks) == 2
    assert not Grant.objects.exists()


def test_of_nothing_nothing_is_taken():
    emptying.empty_database()
    emptying.empty_database()
    assert not User.objects.exists()
