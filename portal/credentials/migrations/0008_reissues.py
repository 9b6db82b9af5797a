"""Re-issues: new slots after a case, confirmed by two where the case would be."""

import django.db.models.deletion
import django.utils.timezone
import functools
import portal.references
from django.conf import settings
from django.db import migrations, models


# However a row comes about: what is confirmed is confirmed by two where the case itself needed two,
# or where more slots than MANY and MANY_OF_ALL (selectors.py) would come of all re-issues of the
# case together that were not dropped. The case is locked, so that two at once count each other's.
_BY_TWO = """
CREATE FUNCTION portal_reissue_by_two() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE two boolean; slots bigint;
BEGIN
    SELECT needs_second INTO two FROM credentials_revocation
        WHERE id = NEW.revocation_id FOR NO KEY UPDATE;
    IF NEW.asked_by_id IS NOT NULL AND NEW.asked_by_id <> NEW.confirmed_by_id
            AND NEW.asked_digest = NEW.digest THEN
        RETURN NEW;
    END IF;
    SELECT count(*) INTO slots FROM credentials_reissueitem
        WHERE revocation_id = NEW.revocation_id
            AND status IN ('chosen', 'made', 'told', 'failed');
    IF two OR (slots > 500 AND slots > 0.05 * (
            SELECT count(*) FROM credentials_credential WHERE status = 'active')) THEN
        RAISE EXCEPTION 'this re-issue needs two people'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'reissue_counted_by_two';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reissue_by_two BEFORE UPDATE ON credentials_reissue FOR EACH ROW
    WHEN (NEW.confirmed_by_id IS NOT NULL
        AND (OLD.confirmed_by_id, OLD.asked_by_id, OLD.asked_digest, OLD.digest)
            IS DISTINCT FROM
            (NEW.confirmed_by_id, NEW.asked_by_id, NEW.asked_digest, NEW.digest))
    EXECUTE FUNCTION portal_reissue_by_two();
CREATE TRIGGER reissue_by_two_at_once BEFORE INSERT ON credentials_reissue FOR EACH ROW
    WHEN (NEW.confirmed_by_id IS NOT NULL)
    EXECUTE FUNCTION portal_reissue_by_two();

-- What was confirmed stays what was looked at.
CREATE FUNCTION portal_reissue_is_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM credentials_reissue
               WHERE id = NEW.reissue_id AND confirmed_at IS NOT NULL) THEN
        RAISE EXCEPTION 'this re-issue is confirmed: no grant is added'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'reissue_is_frozen';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reissue_is_frozen BEFORE INSERT ON credentials_reissueitem FOR EACH ROW
    EXECUTE FUNCTION portal_reissue_is_frozen();
CREATE TRIGGER reissue_stays_chosen BEFORE UPDATE ON credentials_reissueitem FOR EACH ROW
    WHEN (NEW.status = 'chosen' AND OLD.status <> 'chosen'
        OR NEW.reissue_id <> OLD.reissue_id OR NEW.revocation_id <> OLD.revocation_id
        OR NEW.grant_id <> OLD.grant_id)
    EXECUTE FUNCTION portal_reissue_is_frozen();
"""
_BY_TWO_BACK = """
DROP TRIGGER reissue_stays_chosen ON credentials_reissueitem;
DROP TRIGGER reissue_is_frozen ON credentials_reissueitem;
DROP FUNCTION portal_reissue_is_frozen;
DROP TRIGGER reissue_by_two_at_once ON credentials_reissue;
DROP TRIGGER reissue_by_two ON credentials_reissue;
DROP FUNCTION portal_reissue_by_two;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0007_lines"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Reissue",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "ref",
                    models.CharField(
                        default=functools.partial(portal.references.new_reference, *("REI",), **{}),
                        max_length=16,
                        unique=True,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("previewed", "Previewed"),
                            ("awaiting_second", "Waiting for a second person"),
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("cancelled", "Cancelled"),
                            ("expired", "Expired"),
                        ],
                        default="previewed",
                        max_length=20,
                    ),
                ),
                (
                    "chosen",
                    models.CharField(
                        blank=True,
                        help_text="Reference of the one partner it is for; empty for all",
                        max_length=16,
                    ),
                ),
                (
                    "note",
                    models.TextField(blank=True, help_text="For staff; partners never see it"),
                ),
                ("count", models.PositiveIntegerField(default=0)),
                ("digest", models.CharField(help_text="SHA-256 of the frozen kids", max_length=64)),
                ("previewed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField()),
                ("needs_second", models.BooleanField(default=False)),
                ("asked_at", models.DateTimeField(null=True)),
                ("asked_digest", models.CharField(blank=True, max_length=64)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("leased_until", models.DateTimeField(null=True)),
                ("fence", models.PositiveIntegerField(default=0)),
                ("mails", models.PositiveIntegerField(default=0)),
                ("completed_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "previewed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "revocation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reissues",
                        to="credentials.revocation",
                    ),
                ),
            ],
            options={
                "verbose_name": "re-issue",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="ReissueItem",
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
                            ("chosen", "Gets a new slot"),
                            ("left_out", "Left out by staff"),
                            ("refused", "Cannot get one"),
                            ("made", "Slot made, partner not yet told"),
                            ("failed", "Slot made, telling the partner failed"),
                            ("told", "Slot made, partner told"),
                            ("dropped", "Not re-issued: put away"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        blank=True, help_text="Why it gets none, for machines", max_length=40
                    ),
                ),
                (
                    "why",
                    models.CharField(
                        blank=True, help_text="Why it gets none, in words", max_length=200
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_error", models.CharField(blank=True, max_length=200)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "credential",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="credentials.credential",
                    ),
                ),
                (
                    "grant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="credentials.grant",
                    ),
                ),
                (
                    "reissue",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="items",
                        to="credentials.reissue",
                    ),
                ),
                (
                    "revocation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="credentials.revocation",
                    ),
                ),
                (
                    "slot",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="credentials.credential",
                    ),
                ),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.AddConstraint(
            model_name="reissue",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("asked_at__isnull", True), ("asked_by__isnull", True)),
                    models.Q(("asked_at__isnull", False), ("asked_by__isnull", False)),
                    _connector="OR",
                ),
                name="reissue_asked_at_with_asked_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="reissue",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("confirmed_at__isnull", True), ("confirmed_by__isnull", True)),
                    models.Q(("confirmed_at__isnull", False), ("confirmed_by__isnull", False)),
                    _connector="OR",
                ),
                name="reissue_confirmed_at_with_confirmed_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="reissue",
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
                name="reissue_confirmed_by_two",
            ),
        ),
        migrations.AddIndex(
            model_name="reissueitem",
            index=models.Index(
                condition=models.Q(("status__in", ["made", "failed"])),
                fields=["next_attempt_at"],
                name="reissue_work",
            ),
        ),
        migrations.AddConstraint(
            model_name="reissueitem",
            constraint=models.UniqueConstraint(
                fields=("reissue", "grant"), name="reissue_item_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="reissueitem",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status__in", ("chosen", "made", "told", "failed"))),
                fields=("revocation", "grant"),
                name="reissued_once_a_case",
            ),
        ),
        migrations.AddConstraint(
            model_name="reissueitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["left_out", "refused"]), _negated=True),
                    models.Q(("why", ""), _negated=True),
                    _connector="OR",
                ),
                name="reissue_item_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="reissueitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["made", "told", "failed"]),
                    ("slot__isnull", True),
                    _connector="XOR",
                ),
                name="reissue_item_made_has_slot",
            ),
        ),
        migrations.RunSQL(_BY_TWO, _BY_TWO_BACK),
    ]
