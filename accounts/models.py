"""Users, organisations, memberships, invitations and verifications."""

from collections.abc import Collection
from functools import partial
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower, Upper
from django.utils import timezone

from accounts.enums import MemberRole, VerificationKind
from portal.constraints import both_or_neither
from portal.references import new_reference


class UserManager(BaseUserManager["User"]):
    """Creates users with e-mail as identity, always in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Suspension is separate from `is_active`: the person can still sign in and read
    why, but holds no right; verification looks at it on every call.
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "USR"))
    email = models.EmailField("e-mail", unique=True)
    name = models.CharField(max_length=200, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    is_staff = models.BooleanField("may enter the admin", default=False)
    is_active = models.BooleanField("may sign in", default=True)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspended_by = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )

    objects = UserManager()
    _as_read: dict[str, Any] | None = None  # None for one that is still to be made

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("-id",)
        permissions: ClassVar = [
            ("suspend_user", "Can suspend and reinstate people"),
            ("assign_staff_roles", "Can give and take staff roles"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("email"), name="user_email_any_case"),
            both_or_neither("user", "suspended_at", "suspended_by"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> "User":
        user = super().from_db(*args, **kwargs)
        user._as_read = user._columns()
        return user

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Of a row that exists, write only what was changed here since it was read.

        The sign-in library saves whole users it read at the start of a request: after two slow
        hashes, or an answer from an institution. Written back whole, such a row would undo a
        suspension, a role taken away or a password changed in between.
        """
        names = kwargs.get("update_fields")
        if names is None and self._as_read is not None:
            names = [
                n for n, value in self._columns().items() if self._as_read.get(n, ...) != value
            ]
        super().save(*args, **{**kwargs, "update_fields": names})
        self._as_read = (self._as_read or {}) | self._columns(names)

    def _columns(self, names: Collection[str] | None = None) -> dict[str, Any]:
        """All that were read, or these. One that was not would cost a query."""
        return {
            field.attname: self.__dict__[field.attname]
            for field in self._meta.concrete_fields
            if field.attname in self.__dict__
            and (names is None or not {field.name, field.attname}.isdisjoint(names))
        }

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """A suspended person has no permission at all, superuser or not."""
        return self.suspended_at is None and super().has_perm(perm, obj)

    def has_module_perms(self, app_label: str) -> bool:
        return self.suspended_at is None and super().has_module_perms(app_label)

    def get_short_name(self) -> str:
        return self.name or self.email


class Organization(models.Model):
    """A partner. Suspended organisations' keys are refused, whoever holds them."""

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "ORG"))
    name = models.CharField(max_length=200)
    website = models.URLField(blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1, two letters")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    suspended_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, editable=False, related_name="+"
    )
    people = models.ManyToManyField(User, through="Membership", related_name="organizations")

    class Meta:
        ordering = ("name",)
        verbose_name = "organisation"
        permissions: ClassVar = [
            ("suspend_organization", "Can suspend and reinstate organisations")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(Upper("name"), name="organization_name_once"),
            both_or_neither("organization", "suspended_at", "suspended_by"),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A person's place in an organisation."""

    user = models.ForeignKey(User, models.PROTECT, related_name="memberships")
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=20, choices=MemberRole)
    joined_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("joined_at", "id")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "organization"], name="membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.organization}"


class Invitation(models.Model):
    """An owner's invitation by e-mail.

    Its link holds no secret: accepting takes a sign-in with the invited, verified address.
    """

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "INV"))
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="invitations")
    email = models.EmailField("e-mail")
    role = models.CharField(max_length=20, choices=MemberRole, default=MemberRole.MEMBER)
    invited_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    invited_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-id",)
        constraints: ClassVar = [
            both_or_neither("invitation", "accepted_at", "accepted_by"),
            both_or_neither("invitation", "withdrawn_at", "withdrawn_by"),
            models.UniqueConstraint(
                Lower("email"),
                "organization",
                name="invitation_open_once",
                condition=models.Q(accepted_at=None, withdrawn_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.ref


class Verification(models.Model):
    """Proof about a person or an organisation. Append-only: a new one supersedes the old."""

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "VER"))
    user = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="verifications"
    )
    organization = models.ForeignKey(
        Organization, models.PROTECT, null=True, blank=True, related_name="verifications"
    )
    kind = models.CharField(max_length=20, choices=VerificationKind)
    source = models.CharField(max_length=200, help_text="Where the proof comes from")
    evidence = models.TextField(help_text="What was seen; links, not copies")
    valid_until = models.DateField(null=True, blank=True)
    verified_at = models.DateTimeField(default=timezone.now, editable=False)
    verified_by = models.ForeignKey(User, models.PROTECT, editable=False, related_name="+")

    class Meta:
        ordering = ("-verified_at",)
        constraints: ClassVar = [
            models.CheckConstraint(
                name="verification_of_one",
                condition=models.Q(user__isnull=True) ^ models.Q(organization__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.ref
