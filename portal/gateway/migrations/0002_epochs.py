"""A gateway that changes, or is disabled, leaves an epoch: doors remember who is a gateway."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("gateway", "0001_initial"), ("credentials", "0002_epochs")]

    operations = [
        migrations.RunSQL(
            """
            CREATE TRIGGER epoch_of_gateway AFTER UPDATE ON gateway_gateway
                FOR EACH ROW EXECUTE FUNCTION portal_epoch('gateway', 'client_id');
            """,
            "DROP TRIGGER epoch_of_gateway ON gateway_gateway;",
        )
    ]
