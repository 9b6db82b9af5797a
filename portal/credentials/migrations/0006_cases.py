"""Cases: composed criteria, exclusions, containing, two who confirm, who is told, proof."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

# A case was chosen by one thing, {"by": ..., "value": ...}; now by criteria that all hold.
_CRITERIA = """
UPDATE credentials_revocation
SET selector = jsonb_build_object(selector ->> 'by', selector -> 'value') WHERE selector ? 'by';
"""
_ONE_CRITERION = """
UPDATE credentials_revocation SET selector = (
    SELECT jsonb_build_object('by', each.key, 'value', each.value)
    FROM jsonb_each(selector) AS each LIMIT 1);
"""

# A case that stops its keys, for now or for good, does so by its own row alone: however many keys
# it has, doors forget what they remember of them.
_EPOCHS = """
CREATE FUNCTION portal_epoch_of_case() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE kids text[];
BEGIN
    kids := ARRAY(
        SELECT key.kid FROM credentials_revocationitem AS item
        JOIN credentials_credential AS key ON key.id = item.credential_id
        WHERE item.revocation_id = NEW.id LIMIT 101);
    IF array_length(kids, 1) > 100 THEN
        INSERT INTO credentials_epoch (subject, xid) VALUES ('everything', portal_xid());
    ELSE
        INSERT INTO credentials_epoch (subject, xid)
            SELECT 'key:' || kid, portal_xid() FROM unnest(kids) AS kid;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER epoch_of_case AFTER UPDATE ON credentials_revocation FOR EACH ROW
    WHEN ((OLD.contained_at IS NULL AND NEW.contained_at IS NOT NULL)
        OR (OLD.released_at IS NOT NULL AND NEW.released_at IS NULL)
        OR (OLD.confirmed_at IS NULL AND NEW.confirmed_at IS NOT NULL))
    EXECUTE FUNCTION portal_epoch_of_case();
"""
_EPOCHS_BACK = """
DROP TRIGGER epoch_of_case ON credentials_revocation;
DROP FUNCTION portal_epoch_of_case;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_append_only"),
        ("credentials", "0005_offline_gateways"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RevocationExclusion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=200)),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="RevocationParty",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Not told yet"),
                            ("done", "Told"),
                            ("failed", "Telling failed"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("keys", models.PositiveIntegerField(default=0)),
                ("mails", models.PositiveIntegerField(default=0)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_error", models.CharField(blank=True, max_length=200)),
                ("done_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.CreateModel(
            name="RevocationProof",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("door", models.CharField(help_text="The reference of a gateway", max_length=40)),
                ("name", models.CharField(max_length=200)),
                ("asked", models.PositiveIntegerField()),
                ("refused", models.PositiveIntegerField()),
                (
                    "let_through",
                    models.JSONField(default=list, help_text="Kids, a hundred at most"),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ("-at", "door"),
            },
        ),
        migrations.AlterModelOptions(
            name="revocation",
            options={
                "ordering": ("-id",),
                "permissions": [("break_glass", "Can revoke more keys at once than the cap")],
            },
        ),
        migrations.AddField(
            model_name="revocation",
            name="asked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="revocation",
            name="asked_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="revocation",
            name="asked_digest",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="revocation",
            name="beyond_cap",
            field=models.CharField(
                blank=True,
                help_text="Why more keys than the cap have to die at once",
                max_length=500,
            ),
        ),
        migrations.AddField(
            model_name="revocation",
            name="contained_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="revocation",
            name="contained_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="revocation",
            name="fence",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="revocation",
            name="leased_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="revocation",
            name="needs_second",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="revocation",
            name="paused_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="revocation",
            name="paused_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="revocation",
            name="rehearsal",
            field=models.BooleanField(default=False, help_text="A drill, on keys to test alone"),
        ),
        migrations.AddField(
            model_name="revocation",
            name="released_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="revocation",
            name="released_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="revocation",
            name="severity",
            field=models.CharField(
                choices=[
                    ("critical", "Critical: being abused now"),
                    ("high", "High: could be abused at any moment"),
                    ("medium", "Medium: within the day"),
                    ("low", "Low: tidying up"),
                ],
                default="high",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="revocation",
            name="title",
            field=models.CharField(blank=True, max_length=120),
        ),
        migrations.AlterField(
            model_name="revocation",
            name="selector",
            field=models.JSONField(help_text="Criteria that all hold: targets.Selector"),
        ),
        migrations.AlterField(
            model_name="revocation",
            name="status",
            field=models.CharField(
                choices=[
                    ("drafted", "Drafted"),
                    ("previewed", "Previewed"),
                    ("awaiting_second", "Waiting for a second person"),
                    ("running", "Running"),
                    ("completed", "Completed"),
                    ("completed_with_stragglers", "Completed with stragglers"),
                    ("cancelled", "Cancelled"),
                    ("expired", "Expired"),
                ],
                default="drafted",
                max_length=30,
            ),
        ),
        migrations.AlterField(
            model_name="revocationitem",
            name="status",
            field=models.CharField(
                choices=[
                    ("frozen", "In the case"),
                    ("pending", "Dead, holder not yet told"),
                    ("done", "Dead, holder told"),
                    ("skipped", "Was dead already"),
                    ("failed", "Dead, telling the holder failed"),
                ],
                default="frozen",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("contained_at__isnull", True), ("contained_by__isnull", True)),
                    models.Q(("contained_at__isnull", False), ("contained_by__isnull", False)),
                    _connector="OR",
                ),
                name="revocation_contained_at_with_contained_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("released_at__isnull", True), ("released_by__isnull", True)),
                    models.Q(("released_at__isnull", False), ("released_by__isnull", False)),
                    _connector="OR",
                ),
                name="revocation_released_at_with_released_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("asked_at__isnull", True), ("asked_by__isnull", True)),
                    models.Q(("asked_at__isnull", False), ("asked_by__isnull", False)),
                    _connector="OR",
                ),
                name="revocation_asked_at_with_asked_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paused_at__isnull", True), ("paused_by__isnull", True)),
                    models.Q(("paused_at__isnull", False), ("paused_by__isnull", False)),
                    _connector="OR",
                ),
                name="revocation_paused_at_with_paused_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("needs_second", False),
                    ("confirmed_by__isnull", True),
                    models.Q(
                        ("asked_by__isnull", False),
                        ("asked_digest", models.F("digest")),
                        models.Q(("asked_by", models.F("confirmed_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="revocation_confirmed_by_two",
            ),
        ),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("released_by__isnull", True),
                    models.Q(("released_by", models.F("contained_by")), _negated=True),
                    _connector="OR",
                ),
                name="revocation_let_go_by_another",
            ),
        ),
        migrations.AddField(
            model_name="revocationexclusion",
            name="credential",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="credentials.credential",
            ),
        ),
        migrations.AddField(
            model_name="revocationexclusion",
            name="revocation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="exclusions",
                to="credentials.revocation",
            ),
        ),
        migrations.AddField(
            model_name="revocationparty",
            name="holder",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="revocationparty",
            name="organization",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.organization",
            ),
        ),
        migrations.AddField(
            model_name="revocationparty",
            name="revocation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="parties",
                to="credentials.revocation",
            ),
        ),
        migrations.AddField(
            model_name="revocationproof",
            name="revocation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="proofs",
                to="credentials.revocation",
            ),
        ),
        migrations.AddConstraint(
            model_name="revocationexclusion",
            constraint=models.UniqueConstraint(
                fields=("revocation", "credential"), name="revocation_exclusion_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="revocationexclusion",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="revocation_exclusion_says_why",
            ),
        ),
        migrations.AddIndex(
            model_name="revocationparty",
            index=models.Index(
                condition=models.Q(("status__in", ["pending", "failed"])),
                fields=["next_attempt_at"],
                name="party_work",
            ),
        ),
        migrations.AddConstraint(
            model_name="revocationparty",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("organization__isnull", True), ("holder__isnull", True), _connector="XOR"
                ),
                name="party_is_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="revocationparty",
            constraint=models.UniqueConstraint(
                fields=("revocation", "organization"), name="party_organization_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="revocationparty",
            constraint=models.UniqueConstraint(
                fields=("revocation", "holder"), name="party_holder_once"
            ),
        ),
        migrations.RunSQL(_CRITERIA, _ONE_CRITERION),
        migrations.RunSQL(_EPOCHS, _EPOCHS_BACK),
    ]
