"""What tests committed is taken away after them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from django.db import IntegrityError, connection, transaction
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
# Rows in a table above which it is quicker to make the table anew. To make one anew, and with it
# all that refer to it, takes as long as to delete thousands of rows.
_MANY = 2_000
_TRIES = 3
_ON_DELETE, _ON_TRUNCATE = 8, 32  # as pg_trigger.tgtype has it


def empty_database() -> None:
    """A web process that several tests share may write while this looks, so it looks again: a row
    it had not seen refers to one that it takes away.
    """
    for _ in range(_TRIES - 1):
        with suppress(IntegrityError):
            return _empty()
    return _empty()


def _empty() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        filled, many = _filled(cursor)
        if filled:
            with _unsealed(cursor, filled, all_of_them=many):
                if many:
                    cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")
                else:
                    cursor.execute("".join(f"DELETE FROM {table};" for table in filled))
                    # Foreign keys are looked at now: before that no table can be sealed again.
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _filled(cursor: CursorWrapper) -> tuple[list[str], bool]:
    """Tables with a row in them, and whether one has many."""
    cursor.execute(
        "SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = current_schema()::regnamespace AND NOT relname = ANY(%s)"
        " AND pg_relation_size(oid) > 0",  # without a page there never was a row
        [list(_KEPT)],
    )
    used = [table for (table,) in cursor.fetchall()]
    if not used:
        return [], False
    cursor.execute(
        " UNION ALL ".join(
            f"SELECT '{table}', EXISTS (SELECT FROM {table} OFFSET {_MANY})"
            f" WHERE EXISTS (SELECT FROM {table})"
            for table in used
        )
    )
    found = cursor.fetchall()
    return [table for table, _many in found], any(many for _table, many in found)


@contextmanager
def _unsealed(cursor: CursorWrapper, filled: list[str], *, all_of_them: bool) -> Iterator[None]:
    """Put aside what refuses to empty a table or notes it, within this transaction only.

    Of tables that are emptied, unless of `all_of_them`. Whatever is altered is planned for anew,
    each foreign key to it and from it.
    """
    cursor.execute(
        "SELECT tgrelid::regclass::text, bool_or(tgfoid = 'portal_refuse_change'::regproc)"
        " FROM pg_trigger WHERE NOT tgisinternal AND tgtype & %s > 0 GROUP BY tgrelid",
        [_ON_DELETE | _ON_TRUNCATE],
    )
    found = dict(cursor.fetchall())
    sealed = [name for name, is_sealed in found.items() if is_sealed]
    guarded = [name for name in found if all_of_them or name in filled]
    # A foreign key locks the rows that refer to what is deleted, which takes a right to update.
    rights = "DELETE, TRUNCATE, UPDATE (id)"
    for table in guarded:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    for table in sealed:
        cursor.execute(f"GRANT {rights} ON {table} TO CURRENT_USER")
    yield
    for table in guarded:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    for table in sealed:
        cursor.execute(f"REVOKE {rights} ON {table} FROM CURRENT_USER")


@contextmanager
def keep_what_is_committed() -> Iterator[None]:
    """Tests in here leave it to each other; whoever committed it empties the database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: None)
        yield
