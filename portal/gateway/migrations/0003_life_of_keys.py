"""Gateways that take test keys. All there are do not."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('gateway', '0002_epochs'),
    ]

    operations = [
        migrations.AddField(
            model_name='gateway',
            name='sandbox',
            field=models.BooleanField(default=False, help_text='Also takes test keys'),
        ),
    ]
