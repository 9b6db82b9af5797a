"""Re-issues: which grants get a new slot after a case of revocation, who said so, what became."""

from functools import partial
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.constraints import both_or_neither
from portal.credentials.enums import ReissueItemStatus, ReissueStatus
from portal.credentials.models.cases import Revocation
from portal.credentials.models.grants import Credential, Grant
from portal.credentials.models.seconds import confirmed_by_two
from portal.references import new_reference

COUNTED = (
    ReissueItemStatus.CHOSEN,
    ReissueItemStatus.MADE,
    ReissueItemStatus.TOLD,
    ReissueItemStatus.FAILED,
)


class Reissue(models.Model):
    """New slots for grants whose keys a case has revoked. No secret is made: partners claim.

    `count` and `digest` are of the dead keys in whose place slots are made, frozen at the preview.
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "REI"))
    revocation = models.ForeignKey(Revocation, models.PROTECT, related_name="reissues")
    status = models.CharField(max_length=20, choices=ReissueStatus, default=ReissueStatus.PREVIEWED)
    chosen = models.CharField(
        max_length=16, blank=True, help_text="Reference of the one partner it is for; empty for all"
    )
    note = models.TextField(blank=True, help_text="For staff; partners never see it")
    count = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the frozen kids")
    previewed_at = models.DateTimeField(default=timezone.now)
    previewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    # Found when it was previewed, and again when somebody confirms; the database counts by itself.
    needs_second = models.BooleanField(default=False)
    asked_at = models.DateTimeField(null=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )  # the first of two who confirm
    asked_digest = models.CharField(max_length=64, blank=True)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    # One worker at a time finishes it; what one writes that has lost it is refused.
    leased_until = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    mails = models.PositiveIntegerField(default=0)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = "re-issue"
        constraints: ClassVar = [
            both_or_neither("reissue", "asked_at", "asked_by"),
            both_or_neither("reissue", "confirmed_at", "confirmed_by"),
            confirmed_by_two("reissue"),
        ]

    def __str__(self) -> str:
        return self.ref


class ReissueItem(models.Model):
    """One grant of a case: it gets a slot, or it says why not. A chosen or made item of a running
    re-issue is a row the worker must finish.
    """

    reissue = models.ForeignKey(Reissue, models.PROTECT, related_name="items")
    # The re-issue's, so that the database can see that no grant is given two slots for one case.
    revocation = models.ForeignKey(Revocation, models.PROTECT, related_name="+")
    grant = models.ForeignKey(Grant, models.PROTECT, related_name="+")
    credential = models.ForeignKey(Credential, models.PROTECT, related_name="+")  # the dead one
    slot = models.OneToOneField(Credential, models.PROTECT, null=True, related_name="+")
    status = models.CharField(max_length=10, choices=ReissueItemStatus)
    code = models.CharField(max_length=40, blank=True, help_text="Why it gets none, for machines")
    why = models.CharField(max_length=200, blank=True, help_text="Why it gets none, in words")
    # Whoever looks after its organisation's keys knows of it; its holder may not.
    keepers_told = models.BooleanField(default=False, db_default=False)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    last_error = models.CharField(max_length=200, blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reissue", "grant"], name="reissue_item_once"),
            models.UniqueConstraint(
                fields=["revocation", "grant"],
                name="reissued_once_a_case",
                condition=models.Q(status__in=COUNTED),
            ),
            models.CheckConstraint(
                name="reissue_item_says_why",
                condition=~models.Q(status__in=["left_out", "refused"]) | ~models.Q(why=""),
            ),
            models.CheckConstraint(
                name="reissue_item_made_has_slot",
                condition=models.Q(status__in=["made", "told", "failed"])
                ^ models.Q(slot__isnull=True),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                name="reissue_work",
                condition=models.Q(status__in=["made", "failed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reissue_id}/{self.grant_id}"
