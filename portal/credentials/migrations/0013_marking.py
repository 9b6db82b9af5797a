"""What workers write on the keys of a case costs less, those who ask and the database.

Who revoked a key is looked for once a statement, not once a key as a foreign key would have it (a
quarter of the time of a large revocation). And a key of a confirmed case was dead, and its epoch
written, when that was confirmed: marking it makes nothing worse, so no door forgets what it knows.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_SOMEBODY = """
CREATE FUNCTION portal_revokers_are_there() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE who bigint;
BEGIN
    FOR who IN SELECT DISTINCT revoked_by_id FROM after WHERE revoked_by_id IS NOT NULL LOOP
        PERFORM FROM accounts_user WHERE id = who FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'A key is revoked by somebody who is not there.'
                USING ERRCODE = 'foreign_key_violation', TABLE = 'credentials_credential';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER revokers_are_there AFTER UPDATE ON credentials_credential
    REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION portal_revokers_are_there();
CREATE TRIGGER revokers_are_there_at_birth AFTER INSERT ON credentials_credential
    REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION portal_revokers_are_there();

CREATE FUNCTION portal_revokers_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM credentials_credential WHERE revoked_by_id = OLD.id) THEN
        RAISE EXCEPTION 'This person has revoked keys: the account stays, and can be suspended.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'accounts_user';
    END IF;
    RETURN COALESCE(NEW, OLD);
END $$;
CREATE TRIGGER revokers_stay BEFORE DELETE OR UPDATE OF id ON accounts_user
    FOR EACH ROW EXECUTE FUNCTION portal_revokers_stay();
"""
_SOMEBODY_BACK = """
DROP TRIGGER revokers_stay ON accounts_user;
DROP TRIGGER revokers_are_there_at_birth ON credentials_credential;
DROP TRIGGER revokers_are_there ON credentials_credential;
DROP FUNCTION portal_revokers_stay, portal_revokers_are_there;
"""

# As 0003 has it, but for what was dead before.
_EPOCHS = """
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
        FROM (
            SELECT was.id, was.kid,
                now_.status <> 'active' OR now_.kid <> was.kid OR now_.kind <> was.kind
                    OR now_.grant_id <> was.grant_id OR now_.scopes <> was.scopes
                    OR (now_.digest <> was.digest AND now_.pepper_version <= was.pepper_version)
                    OR (now_.expires_at < was.expires_at
                        AND now_.expires_at < clock_timestamp() + interval '5 minutes') AS worse,
                now_.expires_at < was.expires_at AS sooner
            FROM before AS was JOIN after AS now_ USING (id) WHERE was.status = 'active'
        ) AS changed
        WHERE (worse OR sooner) AND NOT portal_is_dead_by_case(id);
    RETURN NULL;
END $$;
"""
_EPOCHS_BACK = """
CREATE OR REPLACE FUNCTION portal_epoch_of_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM before WHERE status = 'active' LIMIT 101) AS few) > 100
    THEN
        INSERT INTO credentials_epoch (subject, xid) VALUES ('everything', portal_xid());
        RETURN NULL;
    END IF;
    INSERT INTO credentials_epoch (subject, xid)
        SELECT CASE WHEN worse THEN 'key:' ELSE 'key_end:' END || kid, portal_xid()
        FROM (
            SELECT was.kid,
                now_.status <> 'active' OR now_.kid <> was.kid OR now_.kind <> was.kind
                    OR now_.grant_id <> was.grant_id OR now_.scopes <> was.scopes
                    OR (now_.digest <> was.digest AND now_.pepper_version <= was.pepper_version)
                    OR (now_.expires_at < was.expires_at
                        AND now_.expires_at < clock_timestamp() + interval '5 minutes') AS worse,
                now_.expires_at < was.expires_at AS sooner
            FROM before AS was JOIN after AS now_ USING (id) WHERE was.status = 'active'
        ) AS changed
        WHERE worse OR sooner;
    RETURN NULL;
END $$;
DROP FUNCTION portal_is_dead_by_case;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0012_queued_is_not_told"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="credential",
            name="revoked_by",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(_SOMEBODY, _SOMEBODY_BACK),
        migrations.RunSQL(_EPOCHS, _EPOCHS_BACK),
    ]
