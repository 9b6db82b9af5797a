"""References and kinds are compared as bytes. One statement: each index is built once more, while
nothing can be written to the log: about a second for a million events.
"""

from django.db import migrations, models

_LENGTHS = {"kind": 64, "actor": 32, "subject": 32, "thread": 32}
_ALTER = "ALTER TABLE audit_event " + ", ".join(
    f"ALTER COLUMN {name} TYPE varchar({length}) COLLATE {{collation}}"
    for name, length in _LENGTHS.items()
)


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_smaller_indexes")]

    operations = [
        migrations.RunSQL(
            _ALTER.format(collation='"C"'),
            _ALTER.format(collation='pg_catalog."default"'),
            state_operations=[
                migrations.AlterField(
                    "event", name, models.CharField(max_length=length, db_collation="C")
                )
                for name, length in _LENGTHS.items()
            ],
        )
    ]
