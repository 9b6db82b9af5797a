"""What gateways that judge by themselves need of the database: an instant that no revocation under
way can slip past, epochs for what moves out of a gateway's sight, and a place for each key in the
status list.
"""

import secrets

from django.db import migrations, models

# An epoch takes its time just before its transaction ends, and is seen a moment after. A token
# made in between would rest on what was true before, and could carry a later time than the epoch.
# So whoever takes an epoch's time holds this lock until it is seen, shared with others of its
# kind, and a token takes its time when nobody holds it: either its key is then read with the
# change in sight, or the change's time is not before the token's.
_MOMENT = """
CREATE OR REPLACE FUNCTION portal_epoch_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7161003);
    UPDATE credentials_epoch SET at = clock_timestamp() WHERE id = NEW.id;
    RETURN NULL;
END $$;

CREATE FUNCTION portal_token_moment() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7161003);
    RETURN floor(extract(epoch FROM clock_timestamp()));
END $$;
"""

# A gateway is told of what is under its release now. What is moved elsewhere leaves an epoch of
# the place it was in, which covers the tokens it had there.
_MOVES = """
CREATE FUNCTION portal_epoch_of_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'programs_rolloutphase' THEN
        INSERT INTO credentials_epoch (subject, xid)
            SELECT 'release:' || ref, portal_xid() FROM programs_modelrelease
            WHERE id = OLD.release_id;
    ELSIF TG_TABLE_NAME = 'credentials_grant' THEN
        INSERT INTO credentials_epoch (subject, xid)
            SELECT 'phase:' || ref, portal_xid() FROM programs_rolloutphase
            WHERE id = OLD.phase_id;
    ELSE
        INSERT INTO credentials_epoch (subject, xid)
            SELECT 'grant:' || ref, portal_xid() FROM credentials_grant WHERE id = OLD.grant_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER epoch_of_phase_moved AFTER UPDATE OF release_id ON programs_rolloutphase
    FOR EACH ROW WHEN (OLD.release_id <> NEW.release_id) EXECUTE FUNCTION portal_epoch_of_move();
CREATE TRIGGER epoch_of_grant_moved AFTER UPDATE OF phase_id ON credentials_grant
    FOR EACH ROW WHEN (OLD.phase_id <> NEW.phase_id) EXECUTE FUNCTION portal_epoch_of_move();
CREATE TRIGGER epoch_of_key_moved AFTER UPDATE OF grant_id ON credentials_credential
    FOR EACH ROW WHEN (OLD.grant_id <> NEW.grant_id) EXECUTE FUNCTION portal_epoch_of_move();
"""

# The numbers of the sequence, shuffled in blocks of 2^18 by a Feistel network of four rounds whose
# key is this database's own. So each is there once without looking which are taken, however many
# are given at the same time, and none tells how many keys there were before it.
_INDEX = """
CREATE SEQUENCE credentials_status_index;
CREATE FUNCTION portal_status_index() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    number bigint := nextval('credentials_status_index') - 1;
    high int := (number >> 9) & 511;
    low int := number & 511;
    kept int;
BEGIN
    FOR round IN 1..4 LOOP
        kept := low;
        low := high # (hashint8extended((number >> 18) * 4096 + round * 512 + low, {seed}) & 511);
        high := kept;
    END LOOP;
    RETURN ((number >> 18) << 18) + (high << 9) + low;
END $$;
"""

_BACK = """
DROP TRIGGER epoch_of_key_moved ON credentials_credential;
DROP TRIGGER epoch_of_grant_moved ON credentials_grant;
DROP TRIGGER epoch_of_phase_moved ON programs_rolloutphase;
DROP FUNCTION portal_epoch_of_move, portal_token_moment;
CREATE OR REPLACE FUNCTION portal_epoch_begins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credentials_epoch SET at = clock_timestamp() WHERE id = NEW.id;
    RETURN NULL;
END $$;
"""


def _begin(_apps, schema_editor):
    schema_editor.execute(_INDEX.format(seed=secrets.randbits(62)), params=None)


def _end(_apps, schema_editor):
    schema_editor.execute(
        "DROP FUNCTION portal_status_index; DROP SEQUENCE credentials_status_index", params=None
    )


class Migration(migrations.Migration):
    dependencies = [("credentials", "0004_in_place")]

    operations = [
        migrations.RunSQL(_MOMENT + _MOVES, _BACK),
        migrations.RunPython(_begin, _end),
        migrations.AddField(
            "credential",
            "status_index",
            models.BigIntegerField(
                db_default=models.Func(function="portal_status_index"),
                editable=False,
                unique=True,
            ),
        ),
    ]
