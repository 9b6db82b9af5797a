"""No two gateways whose names differ by case only. Where there are such, the later ones
keep their name with their reference after it.
"""

import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

TELL_APART = """
UPDATE gateway_gateway SET name = left(name, 80) || ' (' || client_id || ')' WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY upper(name) ORDER BY id)
        FROM gateway_gateway
    ) AS same WHERE row_number > 1
)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('gateway', '0003_life_of_keys'),
        ('programs', '0002_append_only'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(TELL_APART, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='gateway',
            name='name',
            field=models.CharField(max_length=100),
        ),
        migrations.AddConstraint(
            model_name='gateway',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Upper('name'), name='gateway_name_once'),
        ),
    ]
