from django.db import migrations

from portal.audit.triggers import append_only


class Migration(migrations.Migration):
    dependencies = [("programs", "0001_initial"), ("audit", "0002_append_only")]

    operations = [
        append_only("programs_agreementversion", referenced_with="number"),
        append_only("programs_signature"),
    ]
