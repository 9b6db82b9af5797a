"""Grants, the credentials under them, freezes, and what was used."""

from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Organization
from portal.applications.models import Application
from portal.constraints import both_or_neither
from portal.credentials.enums import (
    CredentialStatus,
    FreezeLevel,
    GrantStatus,
    KeyKind,
    RevocationReason,
)
from portal.credentials.lifecycle import LIVE
from portal.programs.models import RolloutPhase
from portal.references import new_reference


class Grant(models.Model):
    """The right in force. A grant still `activating` is a row the worker must finish."""

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "GRT"))
    application = models.OneToOneField(Application, models.PROTECT, related_name="grant")
    phase = models.ForeignKey(RolloutPhase, models.PROTECT, related_name="grants")
    holder = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="grants")
    organization = models.ForeignKey(
        Organization, models.PROTECT, null=True, blank=True, related_name="grants"
    )
    scopes = ArrayField(models.CharField(max_length=64))
    requests_per_minute = models.PositiveIntegerField()
    tokens_per_day = models.PositiveBigIntegerField()
    status = models.CharField(max_length=20, choices=GrantStatus, default=GrantStatus.ACTIVATING)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    opened_at = models.DateTimeField(default=timezone.now)
    activated_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    last_error = models.CharField(max_length=200, blank=True)
    # A revocation by staff bars new keys under the grant until staff allow them again.
    new_keys_allowed_at = models.DateTimeField(null=True, blank=True)
    new_keys_allowed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [models.Index(fields=["status", "next_attempt_at"], name="grant_work")]
        constraints: ClassVar = [
            both_or_neither("grant", "new_keys_allowed_at", "new_keys_allowed_by"),
            models.CheckConstraint(
                name="grant_ends_after_start", condition=models.Q(ends_at__gt=models.F("starts_at"))
            ),
        ]

    def __str__(self) -> str:
        return self.ref


class Credential(models.Model):
    """The key under a grant. `digest` is a keyed hash; the secret itself is nowhere.

    `kid` is public: it may be logged, searched and shown, and never authenticates.
    """

    kid = models.CharField(max_length=16, unique=True)
    grant = models.ForeignKey(Grant, models.PROTECT, related_name="credentials")
    name = models.CharField(max_length=100, blank=True)
    kind = models.CharField(max_length=4, choices=KeyKind, default=KeyKind.LIVE)
    status = models.CharField(
        max_length=10, choices=CredentialStatus, default=CredentialStatus.REQUESTED
    )
    scopes = ArrayField(models.CharField(max_length=64))
    digest = models.BinaryField(null=True, editable=False)
    pepper_version = models.PositiveSmallIntegerField(null=True, editable=False)
    requested_at = models.DateTimeField(default=timezone.now)
    ready_at = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    # Of the key once claimed, of the slot before: seven days to claim.
    expires_at = models.DateTimeField(null=True)
    # When its keepers are told next that it is about to expire.
    remind_at = models.DateTimeField(null=True, editable=False)
    # The key this one was made in place of. That one goes on for `overlap` after the first use of
    # this one, and no longer than it would have.
    replaces = models.ForeignKey("self", models.PROTECT, null=True, related_name="replaced_by")
    overlap = models.DurationField(null=True)
    overlap_started_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    # Not indexed: nobody asks by it, and it would have every revocation write to the index. That
    # it is somebody, triggers look for once a statement rather than once a key (migration 0013).
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    revoked_reason = models.CharField(max_length=20, choices=RevocationReason, blank=True)
    # By the programme rather than by its holder or their organisation.
    revoked_by_staff = models.BooleanField(default=False)
    # By whoever held the key and showed nothing else (RFC 7009): who that was, nobody can say.
    revoked_with_key = models.BooleanField(default=False)
    # What indexes go by in place of the status. Neither changes when a key in use is revoked, so
    # that a hundred thousand of them are rewritten where they lie and no index is touched.
    # tests/unit/credentials/test_in_place.py sees to it.
    waiting = models.GeneratedField(
        expression=models.Q(  # type: ignore[arg-type] # a condition is one; the stubs know none
            status__in=[CredentialStatus.REQUESTED, CredentialStatus.READY]
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    # Its time was up and somebody has looked at it since: the clock does not look again.
    put_away = models.BooleanField(default=False, db_default=False, editable=False)

    # Whose place it takes at present, for a constraint: of most keys nobody's, in use and revoked.
    replacing = models.GeneratedField(
        expression=models.Case(models.When(status=CredentialStatus.ACTIVE, then="replaces")),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
    )
    # Its place in the status list, given by the database so that no two are the same.
    status_index = models.BigIntegerField(
        unique=True, editable=False, db_default=models.Func(function="portal_status_index")
    )

    # The file whose timeline tells of the key: its application. Given by the database at birth
    # (migration 0021), so that revoking a hundred thousand need not look up where each belongs.
    thread = models.CharField(max_length=32, db_default="", db_collation="C", editable=False)

    class Meta:
        ordering = ("-id",)
        permissions: ClassVar = [("revoke_credentials", "Can revoke keys, one or many")]
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at"],
                name="credential_time_to_end",
                condition=models.Q(put_away=False),
            ),
            models.Index(
                fields=["remind_at"],
                name="credential_reminders",
                condition=models.Q(put_away=False, remind_at__isnull=False),
            ),
        ]
        constraints: ClassVar = [
            both_or_neither("credential", "claimed_at", "claimed_by"),
            models.CheckConstraint(
                name="credential_revoked_by_somebody_or_with_the_key",
                condition=models.Q(revoked_at=None, revoked_by=None, revoked_with_key=False)
                | models.Q(
                    revoked_at__isnull=False, revoked_by__isnull=False, revoked_with_key=False
                )
                | models.Q(revoked_at__isnull=False, revoked_by=None, revoked_with_key=True),
            ),
            both_or_neither("credential", "replaces", "overlap"),
            models.CheckConstraint(
                name="credential_active_has_digest",
                condition=~models.Q(status=CredentialStatus.ACTIVE)
                | models.Q(
                    digest__isnull=False,
                    pepper_version__isnull=False,
                    claimed_at__isnull=False,
                    expires_at__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="credential_revoked_has_time",
                condition=models.Q(status=CredentialStatus.REVOKED)
                ^ models.Q(revoked_at__isnull=True),
            ),
            # A key is rotated out by one other at a time.
            models.UniqueConstraint(fields=["replacing"], name="credential_replaced_once"),
            # One slot at a time waits to be provisioned or claimed.
            models.UniqueConstraint(
                fields=["grant"],
                name="credential_one_slot_waiting",
                condition=models.Q(waiting=True),
            ),
        ]

    def __str__(self) -> str:
        return self.kid

    @property
    def ref(self) -> str:
        """What the log and messages call it."""
        return self.kid

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def overlap_words(self) -> str:
        """How long the key it replaces goes on: `1 hour`, `24 hours`, `3 days`."""
        hours = int((self.overlap or timedelta()).total_seconds() // 3600)
        count, unit = (hours // 24, "day") if hours > 24 and hours % 24 == 0 else (hours, "hour")
        return f"{count} {unit}{'' if count == 1 else 's'}"

    @property
    def last_used_at(self) -> datetime | None:
        """The beginning of the ten minutes in which it was last let through; None for never."""
        use = getattr(self, "use", None)
        return use.last_used_at if use else None


class CredentialUse(models.Model):
    """When a key was last let through, to ten minutes. Apart from the key, whose row every door
    reads and nothing else should churn.
    """

    credential = models.OneToOneField(Credential, models.PROTECT, related_name="use")
    last_used_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.credential_id}"


class Freeze(models.Model):
    """A reversible stop over a level, in force while it is not lifted. An overlay, never a state:
    what lies under it keeps its own state and goes on from there.

    One person places it, two lift it. `portal_freeze` (migration 0002) writes the same row for
    the day when there is nothing but a database prompt.
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "FRZ"))
    level = models.CharField(max_length=12, choices=FreezeLevel)
    target = models.CharField(max_length=16, blank=True, help_text="Reference of what is frozen")
    reason = models.CharField(max_length=500, help_text="For staff; partners never see it")
    placed_at = models.DateTimeField(default=timezone.now)
    placed_by = models.CharField(max_length=32, help_text="As in the log: a person, or system:sql")
    lift_asked_at = models.DateTimeField(null=True)
    lift_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        ordering = ("-id",)
        permissions: ClassVar = [("freeze_access", "Can freeze access, and lift with a colleague")]
        constraints: ClassVar = [
            both_or_neither("freeze", "lift_asked_at", "lift_asked_by"),
            both_or_neither("freeze", "lifted_at", "lifted_by"),
            models.CheckConstraint(
                name="freeze_names_its_target",
                condition=models.Q(level=FreezeLevel.EVERYTHING) ^ ~models.Q(target=""),
            ),
            models.CheckConstraint(
                name="freeze_lifted_by_two",
                condition=models.Q(lifted_by__isnull=True)
                | (
                    models.Q(lift_asked_by__isnull=False)
                    & ~models.Q(lifted_by=models.F("lift_asked_by"))
                ),
            ),
            models.UniqueConstraint(
                fields=["level", "target"],
                name="freeze_in_force_once",
                condition=models.Q(lifted_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.ref


class Epoch(models.Model):
    """Answers about `subject` that were given before this no longer hold.

    Written by triggers (migrations 0002, 0003) whenever something that access rests on changes
    for the worse, whoever changes it and however. Doors that remember answers look here for what
    to forget (portal/credentials/remembered.py); gateways that verify offline get them signed.

    `subject` is `everything`, or a level and a reference: `key:<kid>`, `grant:GRT-…`,
    `person:USR-…`, `organization:ORG-…`, `phase:PHA-…`, `release:REL-…`. Two are the doors' own
    and void no token: `gateway:GW-…`, and `key_end:<kid>` of a key whose end came nearer and is
    still far.
    `xid` is the transaction that wrote the row: ids alone do not say which rows have committed.
    """

    xid = models.BigIntegerField(db_index=True, editable=False)
    subject = models.CharField(max_length=40, editable=False)
    at = models.DateTimeField(db_default=Now(), db_index=True, editable=False)

    def __str__(self) -> str:
        return f"{self.subject} {self.at}"


class UsageDay(models.Model):
    """What was used under a grant on one day (UTC), as gateways reported it.

    A count, which no event tells of: each report would be a line of the log, every few seconds.
    """

    grant = models.ForeignKey(Grant, models.PROTECT, related_name="usage")
    day = models.DateField()
    requests = models.PositiveBigIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)  # calls a limit turned away

    class Meta:
        ordering = ("grant", "day")
        indexes: ClassVar = [models.Index(fields=["day"], name="usage_by_day")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["grant", "day"], name="usage_one_row_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.grant_id}/{self.day}"


class UsageReport(models.Model):
    """A report that was counted, so that the same one is not counted again."""

    reporter = models.CharField(max_length=40)  # the reference of whoever sent it
    report = models.UUIDField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-at",)
        indexes: ClassVar = [models.Index(fields=["at"], name="usage_reports_by_age")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reporter", "report"], name="usage_report_once"),
        ]

    def __str__(self) -> str:
        return str(self.report)
