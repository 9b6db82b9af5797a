"""What tests committed is taken away after them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

# What `migrate` made and every test needs: the roles and what they may do.
_KEPT = (
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
)


def empty_database() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(tablename) FROM pg_tables"
            " WHERE schemaname = current_schema() AND NOT tablename = ANY(%s)",
            [list(_KEPT)],
        )
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT FROM {t})" for t in tables)
        )
        filled = [name for (name,) in cursor.fetchall()]
        if filled:
            with _unsealed(cursor):
                cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")


@contextmanager
def _unsealed(cursor: CursorWrapper) -> Iterator[None]:
    """Put aside what refuses to empty an append-only table, within this transaction only."""
    cursor.execute(
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
        " WHERE tgfoid = 'portal_refuse_change'::regproc"
    )
    sealed = [name for (name,) in cursor.fetchall()]
    for table in sealed:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"GRANT TRUNCATE ON {table} TO CURRENT_USER")
    yield
    for table in sealed:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute(f"REVOKE TRUNCATE ON {table} FROM CURRENT_USER")


@contextmanager
def keep_what_is_committed() -> Iterator[None]:
    """Tests in here leave it to each other; whoever committed it empties the database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: None)
        yield
