"""Migration operations that make a table's rows immutable, in the database itself."""

from django.db.migrations import RunSQL

CREATE_FUNCTION = RunSQL(
    """
    CREATE FUNCTION portal_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% on % is refused: rows there are never changed', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END $$;
    """,
    "DROP FUNCTION portal_refuse_change();",
)


def append_only(table: str, *, referenced_with: str = "") -> RunSQL:
    """Refuse UPDATE, DELETE and TRUNCATE on `table`, by triggers and by the role's own rights.

    A foreign key to the table locks the row it points at, and PostgreSQL lets only those lock
    who may update some column. `referenced_with` names a column whose right is left for that;
    the trigger refuses the update itself.
    """
    lock = f"GRANT UPDATE ({referenced_with}) ON {table} TO CURRENT_USER;"
    return RunSQL(
        f"""
        CREATE TRIGGER {table}_rows_stay BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION portal_refuse_change();
        CREATE TRIGGER {table}_table_stays BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION portal_refuse_change();
        REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM CURRENT_USER;
        {lock if referenced_with else ""}
        """,
        f"""
        GRANT UPDATE, DELETE, TRUNCATE ON {table} TO CURRENT_USER;
        DROP TRIGGER {table}_rows_stay ON {table};
        DROP TRIGGER {table}_table_stays ON {table};
        """,
    )
