"""Indexes of the log in which equal entries share their room, beside which the old ones go.

Built and dropped while the log is written to: a portal in use migrates without a pause.
"""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

_FIELDS = ("thread", "subject", "kind", "actor")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0003_events_by_time")]

    operations = [
        *(
            AddIndexConcurrently("event", models.Index(fields=[name], name=f"event_by_{name}"))
            for name in _FIELDS
        ),
        *(RemoveIndexConcurrently("event", f"event_{name}") for name in _FIELDS),
    ]
