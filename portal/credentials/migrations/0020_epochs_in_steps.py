"""Whether a case has killed a key is looked for once a key, whatever the tables hold.

As 0013 has it, in less time: of two hundred marked keys it took forty milliseconds, twice a key a
call of a function with a plan of its own. That plan, and the ones of this function, are kept by
each connection from its first use on: made while no case held a key they may read a table from end
to end, and go on so when it holds a hundred thousand. So no plan here reads one so.
"""

from django.db import migrations

_WORSE = """
            SELECT was.id, was.kid,
                now_.status <> 'active' OR now_.kid <> was.kid OR now_.kind <> was.kind
                    OR now_.grant_id <> was.grant_id OR now_.scopes <> was.scopes
                    OR (now_.digest <> was.digest AND now_.pepper_version <= was.pepper_version)
                    OR (now_.expires_at < was.expires_at
                        AND now_.expires_at < clock_timestamp() + interval '5 minutes') AS worse,
                now_.expires_at < was.expires_at AS sooner
            FROM before AS was JOIN after AS now_ USING (id) WHERE was.status = 'active'"""
_EPOCHS = f"""
CREATE OR REPLACE FUNCTION portal_epoch_of_keys() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE alive bigint[];
BEGIN
    -- A case that has killed a key is looked for by the key, and never the other way round.
    alive := ARRAY(
        SELECT id FROM before WHERE status = 'active' AND (
            SELECT true FROM credentials_revocationitem AS item
            JOIN credentials_revocation AS case_ ON case_.id = item.revocation_id
            WHERE item.credential_id = before.id AND case_.confirmed_at IS NOT NULL LIMIT 1
        ) IS NULL LIMIT 101);
    IF cardinality(alive) > 100 THEN
        INSERT INTO credentials_epoch (subject, xid) VALUES ('everything', portal_xid());
    ELSIF cardinality(alive) > 0 THEN
        INSERT INTO credentials_epoch (subject, xid)
            SELECT CASE WHEN worse THEN 'key:' ELSE 'key_end:' END || kid, portal_xid()
            FROM ({_WORSE}
            ) AS changed
            WHERE (worse OR sooner) AND id = ANY (alive);
    END IF;
    RETURN NULL;
END $$;
DROP FUNCTION portal_is_dead_by_case;
"""
_AS_BEFORE = f"""
CREATE FUNCTION portal_is_dead_by_case(key bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM credentials_revocationitem AS item
        JOIN credentials_revocation AS case_ ON case_.id = item.revocation_id
        WHERE item.credential_id = key AND case_.confirmed_at IS NOT NULL)
$$;
CREATE OR REPLACE FUNCTION portal_epoch_of_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM (
            SELECT FROM before WHERE status = 'active' AND NOT portal_is_dead_by_case(id) LIMIT 101
        ) AS few) > 100
    THEN
        INSERT INTO credentials_epoch (subject, xid) VALUES ('everything', portal_xid());
        RETURN NULL;
    END IF;
    INSERT INTO credentials_epoch (subject, xid)
        SELECT CASE WHEN worse THEN 'key:' ELSE 'key_end:' END || kid, portal_xid()
        FROM ({_WORSE}
        ) AS changed
        WHERE (worse OR sooner) AND NOT portal_is_dead_by_case(id);
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0019_spent_cases")]

    operations = [migrations.RunSQL(_EPOCHS, _AS_BEFORE)]
