"""No two organisations whose names differ by case only. Where there are such, the later ones
keep their name with their reference after it.
"""

import django.db.models.functions.text
from django.db import migrations, models

TELL_APART = """
UPDATE accounts_organization SET name = left(name, 180) || ' (' || ref || ')' WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY upper(name) ORDER BY id)
        FROM accounts_organization
    ) AS same WHERE row_number > 1
)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_append_only'),
    ]

    operations = [
        migrations.RunSQL(TELL_APART, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='organization',
            name='name',
            field=models.CharField(max_length=200),
        ),
        migrations.AddConstraint(
            model_name='organization',
            constraint=models.UniqueConstraint(django.db.models.functions.text.Upper('name'), name='organization_name_once'),
        ),
    ]
