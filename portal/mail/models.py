"""Mails not yet sent, and those that were."""

from functools import partial
from typing import ClassVar

from django.db import models
from django.utils import timezone

from portal.references import new_reference


class OutgoingMail(models.Model):
    """One mail to one person. `template` is `<app>/<event>` under templates/emails/.

    The context holds references, dates and words, never a secret: it is stored as it is.
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "MAIL"))
    to = models.EmailField()
    template = models.CharField(max_length=100)
    context = models.JSONField(default=dict)
    case = models.CharField(
        max_length=16, blank=True, help_text="Reference of the incident's case it tells of"
    )
    held = models.BooleanField(
        default=False, db_default=False, help_text="Somebody has paused it: it leaves when released"
    )
    queued_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    refusals = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often a server said that it takes it for nobody"
    )
    next_attempt_at = models.DateTimeField(default=timezone.now)
    turn_at = models.DateTimeField(
        null=True, blank=True, help_text="When its turn comes, where it is one of many in a line"
    )
    dead_at = models.DateTimeField("given up at", null=True, blank=True)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = "mail"
        permissions: ClassVar = [("retry_mail", "Can try a given-up mail again")]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                name="mail_unsent",
                condition=models.Q(sent_at=None, dead_at=None),
            ),
            models.Index(  # the last in line is at its end
                fields=["case", "next_attempt_at"],
                name="mail_in_line",
                condition=~models.Q(case=""),
            ),
            models.Index(  # how many have left within the last minute
                fields=["sent_at"], name="mail_of_case_sent", condition=~models.Q(case="")
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def waits(self) -> bool:
        """Whether it leaves when its time comes: it is neither sent, nor given up, nor held."""
        return self.sent_at is None and self.dead_at is None and not self.held

    @property
    def state(self) -> str:
        if self.sent_at:
            return "Sent"
        if self.dead_at:
            return "Given up"
        return "Held" if self.held else "Waiting"
