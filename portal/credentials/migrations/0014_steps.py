"""Telling a partner and asking the doors go in steps, and each says how far it is.

And no key fails any more: partners do, since each is told in one go.
"""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

_NONE_FAILED = "UPDATE credentials_revocationitem SET status = 'pending' WHERE status = 'failed'"


class Migration(migrations.Migration):
    dependencies = [("credentials", "0013_marking")]

    operations = [
        migrations.RunSQL(_NONE_FAILED, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="RevocationRound",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("began_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_item", models.BigIntegerField(default=0)),
                (
                    "kinds",
                    models.JSONField(
                        default=list, help_text="What each kind of door has answered so far"
                    ),
                ),
                ("leased_until", models.DateTimeField(null=True)),
                ("fence", models.PositiveIntegerField(default=0)),
                (
                    "revocation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="round",
                        to="credentials.revocation",
                    ),
                ),
            ],
        ),
        migrations.RemoveIndex(model_name="revocationitem", name="item_work"),
        migrations.AddField(
            model_name="revocationparty",
            name="begun_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="revocationitem",
            name="status",
            field=models.CharField(
                choices=[
                    ("frozen", "In the case"),
                    ("pending", "Dead, mail not yet queued"),
                    ("done", "Dead, mail queued"),
                    ("skipped", "Was dead already"),
                ],
                default="frozen",
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="revocationitem",
            index=models.Index(
                condition=models.Q(("status", "pending")),
                fields=["next_attempt_at"],
                name="item_work",
            ),
        ),
    ]
