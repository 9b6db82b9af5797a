from django.db import migrations

from portal.audit.triggers import append_only


class Migration(migrations.Migration):
    dependencies = [("applications", "0001_initial"), ("audit", "0002_append_only")]

    operations = [append_only("applications_revision", referenced_with="number")]
