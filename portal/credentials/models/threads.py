"""What people whose keys a case stopped write to us about it, and what we answer."""

from functools import partial
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.constraints import both_or_neither
from portal.credentials.models.cases import Revocation
from portal.references import new_reference


class CaseThread(models.Model):
    """One person's conversation with staff about one case; nobody else of theirs reads it.

    `handled_at` is when the newest message was sent that staff has seen to: what they wrote later
    is unread, however the two crossed.
    """

    revocation = models.ForeignKey(Revocation, models.PROTECT, related_name="threads")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    handled_at = models.DateTimeField(null=True)
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        ordering = ("id",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["revocation", "person"], name="case_thread_once"),
            both_or_neither("case_thread", "handled_at", "handled_by"),
        ]

    def __str__(self) -> str:
        return f"{self.revocation_id}/{self.person_id}"


class CaseMessage(models.Model):
    """One entry of a thread; never changed."""

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "MSG"))
    thread = models.ForeignKey(CaseThread, models.PROTECT, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    from_staff = models.BooleanField()
    body = models.TextField(max_length=5000)
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("sent_at", "id")

    def __str__(self) -> str:
        return self.ref
