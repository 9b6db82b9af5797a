"""Applications, their immutable revisions, and the thread with reviewers."""

from functools import partial
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from accounts.models import Organization
from portal.applications.enums import ApplicationStatus
from portal.applications.lifecycle import OPEN
from portal.programs.models import RolloutPhase
from portal.references import new_reference


class Application(models.Model):
    """One person's request to join a phase. `status` changes only in services.move_application.

    `answers` maps a question's key to what stands in the form now; what reviewers read is the
    latest Revision. `version` counts saves, so that a stale tab is told.
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "APP"))
    phase = models.ForeignKey(RolloutPhase, models.PROTECT, related_name="applications")
    applicant = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="applications"
    )
    organization = models.ForeignKey(
        Organization, models.PROTECT, null=True, blank=True, related_name="applications"
    )
    status = models.CharField(
        max_length=20, choices=ApplicationStatus, default=ApplicationStatus.DRAFT, editable=False
    )
    scopes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    # What was approved; at most `scopes`, and empty until then.
    approved_scopes = ArrayField(
        models.CharField(max_length=64), default=list, blank=True, editable=False
    )
    answers = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    submitted_at = models.DateTimeField(null=True, blank=True, editable=False)
    status_changed_at = models.DateTimeField(default=timezone.now, editable=False)
    # When a draft, an unanswered change request or an offer runs out.
    expires_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [
            models.Index(fields=["status", "submitted_at"], name="application_queue"),
            models.Index(fields=["expires_at"], name="application_expiry"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["phase", "applicant"],
                name="application_open_once",
                condition=models.Q(status__in=sorted(OPEN)),
            ),
        ]

    def __str__(self) -> str:
        return self.ref


class Revision(models.Model):
    """What was submitted, as it was: a trigger refuses UPDATE and DELETE.

    `snapshot` is {"answers": [{"key", "section", "prompt", "answer"}], "scopes": [...],
    "organization": name or "", "agreement": {"title", "number", "sha256"}}.
    """

    application = models.ForeignKey(Application, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    snapshot = models.JSONField()
    sha256 = models.CharField(max_length=64)
    submitted_at = models.DateTimeField(default=timezone.now)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        ordering = ("application", "-number")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["application", "number"], name="revision_once"),
        ]

    def __str__(self) -> str:
        return f"{self.application} revision {self.number}"


class Message(models.Model):
    """One entry of the thread between applicant and reviewers, both see it.

    With `question` it asks for a change and is shown beside that field.
    """

    application = models.ForeignKey(Application, models.PROTECT, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    from_staff = models.BooleanField()
    body = models.TextField(max_length=5000)
    question = models.SlugField(blank=True)
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("sent_at", "id")

    def __str__(self) -> str:
        return f"Message {self.pk} on {self.application_id}"
