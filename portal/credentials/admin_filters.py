"""How staff narrow lists of grants, keys and cases: by what people ask for."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from portal.admin_lists import Choice, Condition
from portal.credentials.contained import CONTAINED_NOW, with_spent
from portal.credentials.enums import (
    CredentialStatus,
    FreezeLevel,
    GrantStatus,
    KeyKind,
    ReissueStatus,
    RevocationReason,
    RevocationStatus,
)
from portal.credentials.lifecycle import LIVE, OCCUPYING
from portal.credentials.selectors import partners_with_keys
from portal.programs.models import RolloutPhase

_WITHIN_DAYS = (1, 7, 30)


class GrantStatusFilter(Choice):
    title, parameter_name, lookup = "status", "status", "status"
    choices_of = GrantStatus

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Not over"), *GrantStatus.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "open":
            return queryset.filter(status__in=OCCUPYING)
        return super().queryset(request, queryset)


class CredentialStatusFilter(Choice):
    title, parameter_name, lookup = "status", "status", "status"
    choices_of = CredentialStatus

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Live"), *CredentialStatus.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "live":
            return queryset.filter(status__in=LIVE)
        return super().queryset(request, queryset)


class KindFilter(Choice):
    title, parameter_name, lookup = "kind", "kind", "kind"
    choices_of = KeyKind


class RevocationStatusFilter(Choice):
    title, parameter_name, lookup = "status", "status", "status"
    choices_of = RevocationStatus


class ReissueStatusFilter(Choice):
    title, parameter_name, lookup = "status", "status", "status"
    choices_of = ReissueStatus


class ReasonFilter(Choice):
    title, parameter_name, lookup = "reason", "reason", "reason"
    choices_of = RevocationReason


class FreezeLevelFilter(Choice):
    title, parameter_name, lookup = "level", "level", "level"
    choices_of = FreezeLevel


class FreezeStandingFilter(Condition):
    title, parameter_name = "standing", "standing"
    conditions: ClassVar = {
        "in_force": ("In force", Q(lifted_at__isnull=True)),
        "lift_asked": (
            "Lift asked for",
            Q(lifted_at__isnull=True, lift_asked_at__isnull=False),
        ),
        "lifted": ("Lifted", Q(lifted_at__isnull=False)),
    }


class PhaseFilter(Choice):
    title, parameter_name, lookup = "phase", "phase", "phase__ref"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        phases = RolloutPhase.objects.select_related("release")
        return [(phase.ref, str(phase)) for phase in phases]


class PhaseOfKeyFilter(PhaseFilter):
    lookup = "grant__phase__ref"


class PartnerFilter(Choice):
    """Those with most grants; every other one is found by searching for its name."""

    title, parameter_name, lookup = "organisation", "organization", "organization__ref"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(partner.ref, partner.name) for partner in partners_with_keys(20)]


class PartnerOfKeyFilter(PartnerFilter):
    lookup = "grant__organization__ref"


class ExpiryFilter(admin.SimpleListFilter):
    title, parameter_name = "expires", "expires"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        words = {1: "Within a day"}
        within = [(str(days), words.get(days, f"Within {days} days")) for days in _WITHIN_DAYS]
        return [("over", "Already"), *within]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        now = timezone.now()
        narrowed = {"over": Q(expires_at__lte=now)} | {
            str(days): Q(expires_at__gt=now, expires_at__lte=now + timedelta(days=days))
            for days in _WITHIN_DAYS
        }
        return queryset.filter(narrowed.get(self.value() or "", Q()))


class ContainedFilter(admin.SimpleListFilter):
    title, parameter_name = "containment", "contained"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Contained, not decided"), ("spent", "Contained, nothing left to decide")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in ("1", "spent"):
            return queryset
        spent = self.value() == "spent"
        return with_spent(queryset.filter(CONTAINED_NOW)).filter(spent=spent)


class RehearsalFilter(admin.SimpleListFilter):
    title, parameter_name = "kind of case", "rehearsal"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("0", "Incidents"), ("1", "Drills")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in ("0", "1"):
            return queryset
        return queryset.filter(rehearsal=self.value() == "1")
