"""Indexes for the desk's search by part of a name or an address (selectors.search).

They serve `icontains`, which asks for upper(column) LIKE upper(pattern).
"""

from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations

INDEXES = {
    "user_email_part": "accounts_user USING gin (upper(email) gin_trgm_ops)",
    "user_name_part": "accounts_user USING gin (upper(name) gin_trgm_ops)",
    "organization_name_part": "accounts_organization USING gin (upper(name) gin_trgm_ops)",
}


class Migration(migrations.Migration):

    dependencies = [
        ("reviews", "0002_append_only"),
        ("accounts", "0002_append_only"),
    ]

    operations = [
        TrigramExtension(),
        *(
            migrations.RunSQL(f"CREATE INDEX {name} ON {on};", f"DROP INDEX {name};")
            for name, on in INDEXES.items()
        ),
    ]
