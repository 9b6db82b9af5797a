"""Cases of revocation: what was meant, what is hit, who said so, and what became of it."""

from functools import partial
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Organization
from portal.constraints import both_or_neither
from portal.credentials.enums import (
    ItemStatus,
    PartyStatus,
    RevocationReason,
    RevocationStatus,
    Severity,
)
from portal.credentials.models.grants import Credential
from portal.credentials.models.seconds import confirmed_by_two
from portal.references import new_reference


class Revocation(models.Model):
    """A case: one selector, its frozen preview, and what became of every key in it.

    While it is contained its keys are refused and can be let go again; from when it is confirmed
    they are dead, whether or not workers have written so on each yet (facts.py looks here).
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "CASE"))
    status = models.CharField(
        max_length=30, choices=RevocationStatus, default=RevocationStatus.DRAFTED
    )
    title = models.CharField(max_length=120, blank=True)
    severity = models.CharField(max_length=10, choices=Severity, default=Severity.HIGH)
    rehearsal = models.BooleanField(default=False, help_text="A drill, on keys to test alone")
    selector = models.JSONField(help_text="Criteria that all hold: targets.Selector")
    reason = models.CharField(max_length=20, choices=RevocationReason)
    note = models.TextField(blank=True, help_text="For staff; partners never see it")
    count = models.PositiveIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the frozen kids")
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    previewed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    contained_at = models.DateTimeField(null=True)
    contained_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    # When a worker found nothing left to decide of it, and so there never is again (contained.py).
    spent_at = models.DateTimeField(null=True, editable=False)
    released_at = models.DateTimeField(null=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    needs_second = models.BooleanField(default=False)
    asked_at = models.DateTimeField(null=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )  # the first of two who confirm
    asked_digest = models.CharField(max_length=64, blank=True)
    beyond_cap = models.CharField(
        max_length=500, blank=True, help_text="Why more keys than the cap have to die at once"
    )
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    paused_at = models.DateTimeField(null=True)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    # One worker at a time finishes it; what one writes that has lost the case is refused.
    leased_until = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)
    completed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        permissions: ClassVar = [("break_glass", "Can revoke more keys at once than the cap")]
        constraints: ClassVar = [
            both_or_neither("revocation", "confirmed_at", "confirmed_by"),
            both_or_neither("revocation", "contained_at", "contained_by"),
            both_or_neither("revocation", "released_at", "released_by"),
            both_or_neither("revocation", "asked_at", "asked_by"),
            both_or_neither("revocation", "paused_at", "paused_by"),
            confirmed_by_two("revocation"),
            models.CheckConstraint(
                name="revocation_let_go_by_another",
                condition=models.Q(released_by__isnull=True)
                | ~models.Q(released_by=models.F("contained_by")),
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def is_contained(self) -> bool:
        """Whether its keys are refused for now, and could be let go."""
        held = self.contained_at is not None and self.released_at is None
        return held and self.confirmed_at is None


class RevocationItem(models.Model):
    """One key of a case. An unfinished item is a row the worker must finish.

    A hundred thousand are written at once, while somebody waits. So triggers see once a statement
    to what a foreign key sees to once a row (migration 0009).
    """

    revocation = models.ForeignKey(  # found by the index of `revocation_item_once`
        Revocation, models.PROTECT, related_name="items", db_constraint=False, db_index=False
    )
    credential = models.ForeignKey(
        Credential, models.PROTECT, related_name="revocation_items", db_constraint=False
    )
    status = models.CharField(max_length=10, choices=ItemStatus, default=ItemStatus.FROZEN)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                name="item_work",
                condition=models.Q(status=ItemStatus.PENDING),
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["revocation", "credential"], name="revocation_item_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.revocation_id}/{self.credential_id}"


class RevocationExclusion(models.Model):
    """A key that the criteria name and that is left alive, and why."""

    revocation = models.ForeignKey(Revocation, models.PROTECT, related_name="exclusions")
    credential = models.ForeignKey(Credential, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200)

    class Meta:
        ordering = ("id",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["revocation", "credential"], name="revocation_exclusion_once"
            ),
            models.CheckConstraint(
                name="revocation_exclusion_says_why", condition=~models.Q(reason="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.revocation_id}/{self.credential_id}"


class RevocationLine(models.Model):
    """What became of one line of the list that a case was made from. Of a line that holds no key
    nothing is kept: it may be a secret.
    """

    revocation = models.ForeignKey(Revocation, models.PROTECT, related_name="lines")
    number = models.PositiveIntegerField()
    kid = models.CharField(max_length=16, blank=True)
    answer = models.CharField(max_length=20)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.revocation_id}/{self.number}"


class RevocationParty(models.Model):
    """Who is told of a case in one go: an organisation, or somebody who is here on their own."""

    revocation = models.ForeignKey(Revocation, models.PROTECT, related_name="parties")
    organization = models.ForeignKey(Organization, models.PROTECT, null=True, related_name="+")
    holder = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+"
    )
    status = models.CharField(max_length=10, choices=PartyStatus, default=PartyStatus.PENDING)
    keys = models.PositiveIntegerField(default=0)
    mails = models.PositiveIntegerField(default=0)
    begun_at = models.DateTimeField(null=True)  # its machines and keepers are told from then on
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    last_error = models.CharField(max_length=200, blank=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints: ClassVar = [
            models.CheckConstraint(
                name="party_is_one",
                condition=models.Q(organization__isnull=True) ^ models.Q(holder__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["revocation", "organization"], name="party_organization_once"
            ),
            models.UniqueConstraint(fields=["revocation", "holder"], name="party_holder_once"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_attempt_at"],
                name="party_work",
                condition=models.Q(status__in=[PartyStatus.PENDING, PartyStatus.FAILED]),
            ),
        ]

    def __str__(self) -> str:
        return str(self.organization or self.holder)

    @property
    def ref(self) -> str:
        """Of whichever of the two it is."""
        return getattr(self.organization or self.holder, "ref", "")


class RevocationRound(models.Model):
    """Asking every door about the keys of a case, as far as workers are with it.

    Doors that serve alike decide alike and are asked as one, so `answers` has an entry a kind.
    One worker at a time has it; what one writes that has lost it is refused.
    """

    revocation = models.OneToOneField(Revocation, models.PROTECT, related_name="round")
    began_at = models.DateTimeField(default=timezone.now)
    last_item = models.BigIntegerField(default=0)  # asked about up to here
    kinds = models.JSONField(default=list, help_text="What each kind of door has answered so far")
    leased_until = models.DateTimeField(null=True)
    fence = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.revocation_id}/{self.last_item}"


class RevocationProof(models.Model):
    """What one door answered about the keys of a case when all were asked."""

    revocation = models.ForeignKey(Revocation, models.PROTECT, related_name="proofs")
    door = models.CharField(max_length=40, help_text="The reference of a gateway")
    name = models.CharField(max_length=200)
    asked = models.PositiveIntegerField()
    refused = models.PositiveIntegerField()
    let_through = models.JSONField(default=list, help_text="Kids, a hundred at most")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-at", "door")

    def __str__(self) -> str:
        return f"{self.revocation_id}: {self.door}"
