"""Items of a case: what a foreign key sees to for each row is seen to once a statement.

PostgreSQL looks up every row of a foreign key by itself, and locks it: seconds, for a case of great
size. The triggers here keep the same promise. What an item names is there; it stays there, because no
key and no case is ever deleted; and an item never moves to another.
"""

from django.db import migrations, models
import django.db.models.deletion

_TRIGGERS = """
CREATE FUNCTION portal_items_name_what_is_there() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM new_items LEFT JOIN credentials_credential AS key ON key.id = credential_id
        WHERE key.id IS NULL
    ) OR EXISTS (
        SELECT FROM new_items LEFT JOIN credentials_revocation AS case_ ON case_.id = revocation_id
        WHERE case_.id IS NULL
    ) THEN
        RAISE EXCEPTION 'An item names a key or a case that is not there.'
            USING ERRCODE = 'foreign_key_violation', TABLE = 'credentials_revocationitem';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER items_name_what_is_there AFTER INSERT ON credentials_revocationitem
    REFERENCING NEW TABLE AS new_items
    FOR EACH STATEMENT EXECUTE FUNCTION portal_items_name_what_is_there();

CREATE FUNCTION portal_item_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'An item stays with its case and its key.'
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER item_stays BEFORE UPDATE OF revocation_id, credential_id
    ON credentials_revocationitem FOR EACH ROW
    WHEN (NEW.revocation_id <> OLD.revocation_id OR NEW.credential_id <> OLD.credential_id)
    EXECUTE FUNCTION portal_item_stays();

CREATE FUNCTION portal_evidence_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is evidence: nothing is deleted from it.', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER evidence_stays BEFORE DELETE OR UPDATE OF id ON credentials_credential
    FOR EACH ROW EXECUTE FUNCTION portal_evidence_stays();
CREATE TRIGGER evidence_stays BEFORE DELETE OR UPDATE OF id ON credentials_revocation
    FOR EACH ROW EXECUTE FUNCTION portal_evidence_stays();
"""
_BACK = """
DROP TRIGGER evidence_stays ON credentials_revocation;
DROP TRIGGER evidence_stays ON credentials_credential;
DROP TRIGGER item_stays ON credentials_revocationitem;
DROP TRIGGER items_name_what_is_there ON credentials_revocationitem;
DROP FUNCTION portal_evidence_stays, portal_item_stays, portal_items_name_what_is_there;
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0008_reissues")]

    operations = [
        # Written by nothing since there are parties.
        migrations.RemoveField(model_name="revocationitem", name="attempts"),
        migrations.RemoveField(model_name="revocationitem", name="last_error"),
        migrations.AlterField(
            model_name="revocationitem",
            name="credential",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="revocation_items",
                to="credentials.credential",
            ),
        ),
        migrations.AlterField(
            model_name="revocationitem",
            name="revocation",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="items",
                to="credentials.revocation",
            ),
        ),
        migrations.RunSQL(_TRIGGERS, _BACK),
    ]
