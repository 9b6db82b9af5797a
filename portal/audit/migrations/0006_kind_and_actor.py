"""One index of the log in place of two. Built and dropped while the log is written to."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0005_bytes_not_words")]

    operations = [
        AddIndexConcurrently(
            "event", models.Index(fields=["kind", "actor"], name="event_by_kind_and_actor")
        ),
        RemoveIndexConcurrently("event", "event_by_kind"),
        RemoveIndexConcurrently("event", "event_by_actor"),
    ]
