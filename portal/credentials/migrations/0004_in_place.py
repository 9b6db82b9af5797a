"""A key in use is revoked where its row lies (a heap-only update): no index knows of what changes,
and pages keep room for the new version of every row on them.

`waiting` is stored, so the table is written anew once, with that room: a few seconds for a million
keys, during which no key can be read.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0003_life_of_keys"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # Less than half: a revoked row is a little longer than it was.
        migrations.RunSQL(
            "ALTER TABLE credentials_credential SET (fillfactor = 45);",
            "ALTER TABLE credentials_credential RESET (fillfactor);",
        ),
        migrations.RemoveConstraint("credential", "credential_one_slot_waiting"),
        migrations.RemoveConstraint("credential", "credential_replaced_once"),
        migrations.RemoveIndex("credential", "credential_expiry"),
        migrations.RemoveIndex("credential", "credential_reminders"),
        migrations.AlterField(
            "credential",
            "revoked_by",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            "credential",
            "put_away",
            models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            "credential",
            "waiting",
            models.GeneratedField(
                db_persist=True,
                expression=models.Q(("status__in", ["requested", "ready"])),
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AddField(
            "credential",
            "replacing",
            models.GeneratedField(
                db_persist=True,
                expression=models.Case(models.When(status="active", then="replaces")),
                output_field=models.BigIntegerField(null=True),
            ),
        ),
        migrations.AddConstraint(
            "credential",
            models.UniqueConstraint(fields=("replacing",), name="credential_replaced_once"),
        ),
        migrations.AddIndex(
            "credential",
            models.Index(
                condition=models.Q(("put_away", False)),
                fields=["expires_at"],
                name="credential_time_to_end",
            ),
        ),
        migrations.AddIndex(
            "credential",
            models.Index(
                condition=models.Q(("put_away", False), ("remind_at__isnull", False)),
                fields=["remind_at"],
                name="credential_reminders",
            ),
        ),
        migrations.AddConstraint(
            "credential",
            models.UniqueConstraint(
                condition=models.Q(("waiting", True)),
                fields=("grant",),
                name="credential_one_slot_waiting",
            ),
        ),
    ]
