"""A key that is over stays so, whoever writes on its row: the state machine, kept by the database.

A slip in a shell must not bring a revoked key back, with gateways that forgot why they refused it.
"""

from django.db import migrations

_STAYS = """
CREATE FUNCTION portal_dead_key_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a key that is % stays so: its holder gets a new one', OLD.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'credential_dead_stays';
END $$;
CREATE TRIGGER dead_key_stays BEFORE UPDATE OF status ON credentials_credential FOR EACH ROW
    WHEN (OLD.status IN ('retired', 'revoked', 'expired', 'lapsed') AND NEW.status <> OLD.status)
    EXECUTE FUNCTION portal_dead_key_stays();
"""
_BACK = """
DROP TRIGGER dead_key_stays ON credentials_credential;
DROP FUNCTION portal_dead_key_stays;
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0022_threads_of_keys_there")]

    operations = [migrations.RunSQL(_STAYS, _BACK)]
