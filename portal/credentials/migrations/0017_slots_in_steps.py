"""Telling a partner of its new slots goes in steps: whoever looks after its keys comes first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0016_freeze_asked_twice"),
    ]

    operations = [
        migrations.AddField(
            model_name="reissueitem",
            name="keepers_told",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
