"""Rotation with an overlap, test keys, reminders, last use. All keys there are: live, in nobody's
place, of no known last use; those that work are announced before they expire, like new ones.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# As services/reminding.py has it.
_REMIND = """
UPDATE credentials_credential SET remind_at = (
    SELECT min(expires_at - early)
    FROM unnest(ARRAY['14 days', '7 days', '1 day']::interval[]) AS early
    WHERE expires_at - early > greatest(now(), claimed_at + interval '1 day'))
WHERE status = 'active' AND expires_at > now();
"""

# A key is changed now without getting worse: renamed, reminded of, hashed under the next pepper. An
# epoch about it would have gateways refuse tokens and cut streams for nothing. One whose end comes
# nearer, but not so near that a token could outlive it, is read anew by doors and left alone by
# gateways that judge alone: `key_end` is none of their levels.
#
# Counted before anything is compared: of a hundred thousand keys nobody wants a join.
_EPOCHS = """
DROP TRIGGER epoch_of_keys ON credentials_credential;
CREATE OR REPLACE FUNCTION portal_epoch_of_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM (SELECT FROM before WHERE status = 'active' LIMIT 101) AS few) > 100
    THEN
        INSERT INTO credentials_epoch (subject, xid) VALUES ('everything', portal_xid());
        RETURN NULL;
    END IF;
    INSERT INTO credentials_epoch (subject, xid)
        SELECT CASE WHEN worse THEN 'key:' ELSE 'key_end:' END || kid, portal_xid()
        FROM (
            SELECT was.kid,
                now_.status <> 'active' OR now_.kid <> was.kid OR now_.kind <> was.kind
                    OR now_.grant_id <> was.grant_id OR now_.scopes <> was.scopes
                    OR (now_.digest <> was.digest AND now_.pepper_version <= was.pepper_version)
                    OR (now_.expires_at < was.expires_at
                        AND now_.expires_at < clock_timestamp() + interval '5 minutes') AS worse,
                now_.expires_at < was.expires_at AS sooner
            FROM before AS was JOIN after AS now_ USING (id) WHERE was.status = 'active'
        ) AS changed
        WHERE worse OR sooner;
    RETURN NULL;
END $$;
CREATE TRIGGER epoch_of_keys AFTER UPDATE ON credentials_credential
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION portal_epoch_of_keys();
"""
_EPOCHS_BACK = """
DROP TRIGGER epoch_of_keys ON credentials_credential;
CREATE OR REPLACE FUNCTION portal_epoch_of_keys() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE kids text[];
BEGIN
    kids := ARRAY(SELECT kid FROM before WHERE status = 'active' LIMIT 101);
    IF array_length(kids, 1) > 100 THEN kids := NULL; END IF;
    INSERT INTO credentials_epoch (subject, xid)
        SELECT 'key:' || kid, portal_xid() FROM unnest(kids) AS kid
        UNION ALL SELECT 'everything', portal_xid() WHERE kids IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER epoch_of_keys AFTER UPDATE ON credentials_credential
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION portal_epoch_of_keys();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('credentials', '0002_epochs'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CredentialUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('last_used_at', models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name='credential',
            name='kind',
            field=models.CharField(choices=[('live', 'Live'), ('test', 'Test')], default='live', max_length=4),
        ),
        migrations.AddField(
            model_name='credential',
            name='overlap',
            field=models.DurationField(null=True),
        ),
        migrations.AddField(
            model_name='credential',
            name='overlap_started_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='credential',
            name='remind_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='credential',
            name='replaces',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replaced_by', to='credentials.credential'),
        ),
        migrations.AddIndex(
            model_name='credential',
            index=models.Index(condition=models.Q(('remind_at__isnull', False), ('status', 'active')), fields=['remind_at'], name='credential_reminders'),
        ),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('overlap__isnull', True), ('replaces__isnull', True)), models.Q(('overlap__isnull', False), ('replaces__isnull', False)), _connector='OR'), name='credential_replaces_with_overlap'),
        ),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'active')), fields=('replaces',), name='credential_replaced_once'),
        ),
        migrations.AddField(
            model_name='credentialuse',
            name='credential',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='use', to='credentials.credential'),
        ),
        # Last: no table is altered after its rows.
        migrations.RunSQL(_EPOCHS, _EPOCHS_BACK),
        migrations.RunSQL(_REMIND, migrations.RunSQL.noop),
    ]
