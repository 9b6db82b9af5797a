"""Revoked keys leave the index of subjects. Built and dropped while the log is written to."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0006_kind_and_actor")]

    operations = [
        AddIndexConcurrently(
            "event",
            models.Index(
                fields=["subject"],
                condition=~models.Q(kind="credential.revoked"),
                name="event_by_subject_not_revoked",
            ),
        ),
        RemoveIndexConcurrently("event", "event_by_subject"),
    ]
