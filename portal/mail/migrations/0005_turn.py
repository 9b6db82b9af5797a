from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mail', '0004_refusals'),
    ]

    operations = [
        migrations.AddField(
            model_name='outgoingmail',
            name='turn_at',
            field=models.DateTimeField(blank=True, help_text='When its turn comes, where it is one of many in a line', null=True),
        ),
        # Of those that wait in a line now: until the first attempt that is when its turn comes.
        migrations.RunSQL(
            "UPDATE mail_outgoingmail SET turn_at = next_attempt_at"
            " WHERE NOT (\"case\" = '') AND sent_at IS NULL AND attempts = 0",
            migrations.RunSQL.noop,
        ),
    ]
