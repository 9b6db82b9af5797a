"""Releases, their capabilities, phases, agreements and questions."""

from functools import partial
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from portal.constraints import both_or_neither
from portal.programs.enums import LEAST_REVIEWERS, QuestionKind, RiskTier
from portal.references import new_reference

# RFC 6749 section 3.3 allows more; ours are `resource:action`, without wildcards.
SCOPE_PATTERN = r"^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*$"


class ModelRelease(models.Model):
    """A model being let out in stages. `audience` is what its gateways ask for (RFC 7662 aud)."""

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "REL"))
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    summary = models.TextField(help_text="In plain words, for the landing page")
    risk_statement = models.TextField(help_text="What could go wrong, and why it is staged")
    audience = models.CharField(max_length=200, unique=True, help_text="The gateway's identifier")
    published_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Capability(models.Model):
    """One thing a key may do."""

    release = models.ForeignKey(ModelRelease, models.PROTECT, related_name="capabilities")
    scope = models.CharField(
        max_length=64,
        validators=[RegexValidator(SCOPE_PATTERN, "Write resource:action in small letters.")],
    )
    name = models.CharField(max_length=100)
    description = models.TextField()
    tier = models.CharField(max_length=10, choices=RiskTier)

    class Meta:
        ordering = ("release", "scope")
        verbose_name_plural = "capabilities"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["release", "scope"], name="capability_scope_once"),
            models.CheckConstraint(
                name="capability_scope_shape", condition=models.Q(scope__regex=SCOPE_PATTERN)
            ),
        ]

    def __str__(self) -> str:
        return self.scope


class AgreementVersion(models.Model):
    """Terms. The text never changes once published: triggers refuse it; a new number is made."""

    release = models.ForeignKey(ModelRelease, models.PROTECT, related_name="agreements")
    number = models.PositiveIntegerField(editable=False)
    title = models.CharField(max_length=200)
    text = models.TextField()
    sha256 = models.CharField(max_length=64, editable=False)
    published_at = models.DateTimeField(default=timezone.now, editable=False)
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, editable=False, related_name="+"
    )

    class Meta:
        ordering = ("release", "-number")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["release", "number"], name="agreement_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.title} (version {self.number})"


class Signature(models.Model):
    """Binds a person to the exact text, by its hash."""

    agreement = models.ForeignKey(AgreementVersion, models.PROTECT, related_name="signatures")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="signatures")
    sha256 = models.CharField(max_length=64)
    signed_name = models.CharField(max_length=200)
    signed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agreement", "user"], name="signature_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} signed {self.agreement}"


def _reviewers(tier: RiskTier) -> models.PositiveSmallIntegerField:
    least = LEAST_REVIEWERS[tier]
    who = "One reviewer has" if least == 1 else "Two reviewers have"
    told = f"{who} to agree at least at the {tier.label.lower()} tier. Give {least} or more."
    return models.PositiveSmallIntegerField(
        default=least, validators=[MinValueValidator(least, told)]
    )


class RolloutPhase(models.Model):
    """One stage of a release. Open or closed follows from the dates; nothing is stored twice."""

    ref = models.CharField(max_length=16, unique=True, default=partial(new_reference, "PHA"))
    release = models.ForeignKey(ModelRelease, models.PROTECT, related_name="phases")
    order = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100)
    audience = models.TextField("who it is for")
    opens_at = models.DateTimeField(null=True, blank=True)
    closes_at = models.DateTimeField(null=True, blank=True)
    capacity = models.PositiveIntegerField(help_text="Most grants in force at once")
    capabilities = models.ManyToManyField(
        Capability, related_name="phases", help_text="The ceiling: nothing beyond is approved"
    )
    requests_per_minute = models.PositiveIntegerField(default=60)
    tokens_per_day = models.PositiveBigIntegerField(default=1_000_000)
    max_grant_days = models.PositiveIntegerField(default=180, validators=[MinValueValidator(1)])
    reviewers_standard = _reviewers(RiskTier.STANDARD)
    reviewers_elevated = _reviewers(RiskTier.ELEVATED)
    reviewers_critical = _reviewers(RiskTier.CRITICAL)
    review_days = models.PositiveSmallIntegerField(
        default=10, help_text="Working promise to applicants: an answer within so many days"
    )
    halted_at = models.DateTimeField(null=True, blank=True, editable=False)
    halted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        ordering = ("release", "order")
        permissions: ClassVar = [("halt_phase", "Can halt and resume a phase")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["release", "order"], name="phase_order_once"),
            both_or_neither("phase", "halted_at", "halted_by"),
            models.CheckConstraint(
                name="phase_closes_after_opening",
                condition=models.Q(closes_at=None)
                | models.Q(opens_at=None)
                | models.Q(closes_at__gt=models.F("opens_at")),
            ),
            models.CheckConstraint(
                name="phase_enough_reviewers",
                condition=models.Q(
                    **{f"reviewers_{tier}__gte": least for tier, least in LEAST_REVIEWERS.items()}
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.release}: {self.name}"

    def reviewers_needed(self, tier: str) -> int:
        """How many different reviewers must recommend approval at this risk tier."""
        needed: int = getattr(self, f"reviewers_{tier}")
        return needed


class Question(models.Model):
    """One item of a phase's form. Questions of one `section` share a page."""

    phase = models.ForeignKey(RolloutPhase, models.PROTECT, related_name="questions")
    key = models.SlugField(help_text="Stable name; answers are kept under it")
    section = models.CharField(max_length=100)
    order = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=20, choices=QuestionKind)
    prompt = models.CharField(max_length=300)
    help = models.TextField(blank=True)
    required = models.BooleanField(default=True)
    options = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    max_length = models.PositiveIntegerField(default=5000)
    # Asked only when the question with this key has this answer.
    condition_key = models.SlugField(blank=True)
    condition_value = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("phase", "order")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["phase", "key"], name="question_key_once"),
            models.CheckConstraint(
                name="question_condition_pair",
                condition=models.Q(condition_key="", condition_value="")
                | (~models.Q(condition_key="") & ~models.Q(condition_value="")),
            ),
        ]

    def __str__(self) -> str:
        return self.prompt
