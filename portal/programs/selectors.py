"""Which phases stand open, and which agreement holds."""

from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.programs.enums import RiskTier
from portal.programs.models import AgreementVersion, Capability, ModelRelease, RolloutPhase

# Lowest risk first: the highest tier asked for sets the quorum.
TIER_ORDER = (RiskTier.STANDARD, RiskTier.ELEVATED, RiskTier.CRITICAL)


def published_releases() -> QuerySet[ModelRelease]:
    """Releases the public may see, with their phases, capabilities and questions."""
    return ModelRelease.objects.filter(published_at__isnull=False).prefetch_related(
        "phases__capabilities", "phases__questions"
    )


def published_scopes() -> list[str]:
    """Every scope of every release the public may see."""
    return list(
        Capability.objects.filter(release__published_at__isnull=False)
        .order_by("scope")
        .values_list("scope", flat=True)
        .distinct()
    )


def open_phases(now: datetime | None = None) -> QuerySet[RolloutPhase]:
    """Phases that take applications now."""
    now = now or timezone.now()
    return (
        RolloutPhase.objects.filter(
            Q(closes_at=None) | Q(closes_at__gt=now),
            release__published_at__isnull=False,
            opens_at__lte=now,
            halted_at=None,
        )
        .select_related("release")
        .prefetch_related("capabilities")
    )


def current_agreement(release: ModelRelease) -> AgreementVersion | None:
    """The terms in force: the highest number; None while a release has none."""
    return release.agreements.order_by("-number").first()


def signed_current_agreement(user_id: int, release: ModelRelease) -> bool:
    """Whether this person signed the terms in force; true while there are none."""
    agreement = current_agreement(release)
    return agreement is None or agreement.signatures.filter(user_id=user_id).exists()


def riskiest(pairs: set[tuple[int, str]]) -> RiskTier | None:
    """The riskiest tier of these (release's id, scope); critical for a scope its release does not
    know, as nobody has said that it is less.
    """
    known = Capability.objects.filter(release__in={release for release, _scope in pairs})
    rows = known.order_by().values_list("release_id", "scope", "tier")
    tiers = {(release, scope): RiskTier(tier) for release, scope, tier in rows}
    return max(
        (tiers.get(pair, RiskTier.CRITICAL) for pair in pairs),
        key=TIER_ORDER.index,
        default=None,
    )


def highest_tier(release: ModelRelease, scopes: list[str]) -> RiskTier:
    """The riskiest tier among these scopes of a release; critical for an unknown scope."""
    return riskiest({(release.pk, scope) for scope in scopes}) or RiskTier.STANDARD
