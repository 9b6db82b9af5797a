"""That nothing is left to decide of a contained case is found by a worker once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0018_freeze_against_a_lift"),
    ]

    operations = [
        migrations.AddField(
            model_name="revocation",
            name="spent_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
