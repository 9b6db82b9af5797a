"""Who looked, who might be biased, who ruled."""

from functools import partial
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from portal.applications.models import Application, Revision
from portal.constraints import both_or_neither
from portal.references import new_reference
from portal.reviews.enums import (
    ConflictKind,
    ConflictResolution,
    DecisionReason,
    Outcome,
    Recommendation,
)

_SCORE = [MinValueValidator(1), MaxValueValidator(5)]


class Assignment(models.Model):
    """Who has taken the application from the queue, so that two do not start on the same one."""

    application = models.OneToOneField(Application, models.PROTECT, related_name="assignment")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    assigned_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.reviewer} has {self.application}"


class Review(models.Model):
    """An opinion on one revision, with a scorecard of 1 (poor) to 5 (very good)."""

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "REV"))
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    recommendation = models.CharField(max_length=10, choices=Recommendation)
    score_need = models.PositiveSmallIntegerField("need for access", validators=_SCORE)
    score_safeguards = models.PositiveSmallIntegerField("safeguards", validators=_SCORE)
    score_track_record = models.PositiveSmallIntegerField("track record", validators=_SCORE)
    comment = models.TextField(max_length=5000, help_text="For staff; applicants never see it")
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("recorded_at",)
        permissions: ClassVar = [
            ("review_application", "Can review applications"),
            ("decide_application", "Can decide on applications"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["revision", "reviewer"], name="review_once"),
        ]

    def __str__(self) -> str:
        return self.ref


class ConflictOfInterest(models.Model):
    """A declared tie between a staff member and an application. Open ones bar the person."""

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "COI"))
    application = models.ForeignKey(Application, models.PROTECT, related_name="conflicts")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=ConflictKind)
    detail = models.TextField(max_length=2000)
    declared_at = models.DateTimeField(default=timezone.now)
    resolution = models.CharField(
        max_length=10, choices=ConflictResolution, default=ConflictResolution.OPEN
    )
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name_plural = "conflicts of interest"
        permissions: ClassVar = [("waive_conflict", "Can waive a conflict of interest")]
        constraints: ClassVar = [
            both_or_neither("conflict", "resolved_at", "resolved_by"),
            models.UniqueConstraint(fields=["application", "person"], name="conflict_once"),
        ]

    def __str__(self) -> str:
        return self.ref


class Decision(models.Model):
    """The ruling on one revision: who, when, why, and what the applicant was told.

    A trigger refuses UPDATE and DELETE.
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "DEC"))
    application = models.ForeignKey(Application, models.PROTECT, related_name="decisions")
    revision = models.ForeignKey(Revision, models.PROTECT, related_name="decisions")
    outcome = models.CharField(max_length=20, choices=Outcome)
    reason_code = models.CharField(max_length=30, choices=DecisionReason)
    text = models.TextField(max_length=5000, help_text="What the applicant reads")
    may_reapply_from = models.DateField(null=True, blank=True)
    scopes = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    decided_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        ordering = ("-decided_at",)

    def __str__(self) -> str:
        return self.ref
