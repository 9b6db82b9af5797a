from django.db import migrations

from portal.audit.triggers import CREATE_FUNCTION, append_only


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [CREATE_FUNCTION, append_only("audit_event")]
