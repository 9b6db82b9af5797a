"""Where organisations want to be told, and what is told to each."""

from functools import partial
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Organization
from portal.references import new_reference
from portal.webhooks.enums import DisabledReason, EventKind

LONGEST_URL = 500


class Endpoint(models.Model):
    """An address of one organisation. Removing it removes what was to be told there.

    No secret belongs to it: what is sent is signed with keys whose public halves are shown.
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "WHE"))
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="webhooks")
    url = models.CharField("address", max_length=LONGEST_URL)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    # Until when a worker speaks to it: one at a time, so that a slow one holds a single worker.
    busy_until = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=20, choices=DisabledReason, blank=True)
    # Null when nobody did it: an address that fails for days is switched off by itself.
    disabled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ("-id",)
        verbose_name = "webhook endpoint"
        permissions: ClassVar = [("disable_endpoint", "Can switch off a webhook endpoint")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "url"], name="endpoint_once"),
            models.CheckConstraint(
                name="endpoint_disabled_for_a_reason",
                condition=models.Q(disabled_at__isnull=True, disabled_reason="", disabled_by=None)
                | (models.Q(disabled_at__isnull=False) & ~models.Q(disabled_reason="")),
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def is_on(self) -> bool:
        return self.disabled_at is None

    @property
    def host(self) -> str:
        """Whose machine it is. The rest of an address may hold what is nobody else's business."""
        return urlsplit(self.url).hostname or ""


class Delivery(models.Model):
    """One event for one endpoint. Undelivered and not dead, it is owed; Celery only rings.

    `ref` is the `webhook-id`: the same at every attempt, so that a receiver knows a repetition.
    `attempts` only grows and is the fence: a worker writes down the outcome of its own attempt
    and of no other.
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "MSG"))
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=30, choices=EventKind)
    about = models.CharField(
        max_length=16, blank=True, help_text="Reference of what has to be told, however long"
    )
    held = models.BooleanField(
        default=False, db_default=False, help_text="Staff have paused it: it leaves when released"
    )
    body = models.TextField()  # as it is sent, to the byte
    queued_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    # Attempts since it was queued, or sent again by hand: how long the next one waits.
    tried = models.PositiveIntegerField(default=0)
    # Put off by a lease when an attempt begins: a killed worker's delivery comes due again.
    next_attempt_at = models.DateTimeField(default=timezone.now)
    give_up_at = models.DateTimeField(null=True, blank=True)  # null: tried without end
    delivered_at = models.DateTimeField(null=True, blank=True)
    dead_at = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "deliveries"
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                name="delivery_owed",
                condition=models.Q(delivered_at=None, dead_at=None),
            ),
            models.Index(
                fields=["dead_at"],
                name="delivery_dead",
                condition=models.Q(dead_at__isnull=False),
            ),
            models.Index(fields=["queued_at"], name="delivery_queued"),
            models.Index(fields=["about"], name="delivery_about", condition=~models.Q(about="")),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="delivery_ends_once",
                condition=models.Q(delivered_at=None) | models.Q(dead_at=None),
            ),
            models.CheckConstraint(
                name="delivery_tried_without_end_is_about",
                condition=models.Q(give_up_at__isnull=False) ^ ~models.Q(about=""),
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def state(self) -> str:
        if self.delivered_at:
            return "delivered"
        return "given_up" if self.dead_at else "waiting"

    @property
    def problem(self) -> str:
        """How the last attempt failed: in words of ours, or as the other side answered."""
        return self.last_error or (f"HTTP {self.last_status}" if self.last_status else "")

    @property
    def state_label(self) -> str:
        return {"delivered": "Delivered", "given_up": "Given up", "waiting": "Waiting"}[self.state]
