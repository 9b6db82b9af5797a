"""A key knows the file whose timeline tells of it, given by the database: nobody forgets it, and it
goes where its grant is (references themselves never change).

Revoking a hundred thousand keys then looks nothing up: finding ten thousand files among as many
as there are was a fifth of revoking as many keys. Keys that are there get theirs in 0022: while this
one holds the table, nobody can read a key.
"""

from django.db import migrations, models

_THREADS = """
CREATE FUNCTION portal_thread_of_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT file.ref INTO NEW.thread FROM credentials_grant AS right_
        JOIN applications_application AS file ON file.id = right_.application_id
        WHERE right_.id = NEW.grant_id;
    NEW.thread := COALESCE(NEW.thread, '');  -- there is no such grant, and its foreign key says so
    RETURN NEW;
END $$;
CREATE TRIGGER thread_of_key BEFORE INSERT OR UPDATE OF grant_id, thread ON credentials_credential
    FOR EACH ROW EXECUTE FUNCTION portal_thread_of_key();
"""
_BACK = """
DROP TRIGGER thread_of_key ON credentials_credential;
DROP FUNCTION portal_thread_of_key;
"""


class Migration(migrations.Migration):
    dependencies = [("credentials", "0020_epochs_in_steps")]

    operations = [
        migrations.AddField(
            "credential",
            "thread",
            models.CharField(db_collation="C", db_default="", editable=False, max_length=32),
        ),
        migrations.RunSQL(_THREADS, _BACK),
    ]
