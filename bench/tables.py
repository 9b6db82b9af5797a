"""SQL by hand, and the tables that floors are measured on."""

from typing import Any

from django.db import connection, transaction

REVIVE = """
UPDATE {table} SET status = 'active', revoked_at = NULL, revoked_by_id = NULL, revoked_reason = '',
    revoked_by_staff = false WHERE status = 'revoked'
"""
DEAD = "SELECT count(*) FROM {table} WHERE status = 'revoked'"
# Named as the service's own: what a person would write who knew exactly what to change.
_STATEMENT = """
WITH dead AS (
    UPDATE {keys} AS key SET status = 'revoked', revoked_at = now(), revoked_by_id = {by},
        revoked_reason = 'incident', revoked_by_staff = true
    {join} key.status = 'active' AND key.id <= {last}
    RETURNING key.kid, {thread}
)
INSERT INTO {events} (at, kind, actor, subject, thread, request_id, payload)
SELECT now(), 'credential.revoked', 'USR-BENCHMRK', kid, thread, '',
    '{{"reason": "incident", "case": "CASE-BENCH"}}' FROM dead
"""
BARE = _STATEMENT.replace("{join}", "WHERE").replace("{thread}", "key.thread")
ORDINARY = _STATEMENT.replace("{thread}", "file.ref AS thread").replace(
    "{join}",
    "FROM credentials_grant AS held JOIN applications_application AS file"
    " ON file.id = held.application_id WHERE held.id = key.grant_id AND",
)
_ORDINARY_LAYOUT = """
CREATE TABLE bench_key (LIKE credentials_credential INCLUDING DEFAULTS INCLUDING CONSTRAINTS
    INCLUDING IDENTITY);
INSERT INTO bench_key ({columns}) OVERRIDING SYSTEM VALUE
    SELECT {columns} FROM credentials_credential ORDER BY id;
ALTER TABLE bench_key ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (revoked_by_id) REFERENCES accounts_user DEFERRABLE INITIALLY DEFERRED;
CREATE UNIQUE INDEX ON bench_key (kid);
CREATE INDEX ON bench_key (kid varchar_pattern_ops);
CREATE INDEX ON bench_key (grant_id);
CREATE INDEX ON bench_key (claimed_by_id);
CREATE INDEX ON bench_key (revoked_by_id);
CREATE INDEX ON bench_key (status, expires_at);
CREATE UNIQUE INDEX ON bench_key (grant_id) WHERE status IN ('requested', 'ready');
CREATE TABLE bench_event (LIKE audit_event INCLUDING DEFAULTS INCLUDING IDENTITY);
ALTER TABLE bench_event ALTER kind TYPE varchar(64) COLLATE pg_catalog."default",
    ALTER actor TYPE varchar(32) COLLATE pg_catalog."default",
    ALTER subject TYPE varchar(32) COLLATE pg_catalog."default",
    ALTER thread TYPE varchar(32) COLLATE pg_catalog."default";
ALTER TABLE bench_event ADD PRIMARY KEY (id);
CREATE INDEX ON bench_event (thread, id DESC);
CREATE INDEX ON bench_event (subject, id DESC);
CREATE INDEX ON bench_event (kind, id DESC);
CREATE INDEX ON bench_event (actor, id DESC);
CREATE INDEX ON bench_event USING brin (at);
"""


def run(sql: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)


def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchall()


def make_ordinary() -> None:
    """`bench_key` and `bench_event`: the same rows in the layout Django's defaults give, with an
    index on whatever is asked by and pages filled to the brim, as these tables had it at first.
    """
    stored = rows(
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
        " WHERE attrelid = 'credentials_credential'::regclass AND attnum > 0"
        " AND NOT attisdropped AND attgenerated = ''"
    )
    run(_ORDINARY_LAYOUT.format(columns=stored[0][0]))
    run("VACUUM ANALYZE bench_key, bench_event")


def revive(table: str) -> None:
    """All keys are in use again, which the database refuses to everybody else, and their pages have
    the room they had.
    """
    with transaction.atomic():
        run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        run(REVIVE.format(table=table))
        run("SET CONSTRAINTS ALL IMMEDIATE")  # else the triggers could not be put back here
        run(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    run(f"VACUUM {table}")
