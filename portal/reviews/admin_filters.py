"""How the review desk is narrowed: what people ask for, each answered by an index or the queue."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from portal.applications.enums import ApplicationStatus as S
from portal.applications.lifecycle import HOLDER, OPEN
from portal.programs.enums import RiskTier
from portal.programs.models import RolloutPhase
from portal.reviews.selectors import QUEUE, busiest_organizations

_WITH_APPLICANT = sorted(state for state in OPEN if HOLDER[state] == "applicant")
_CLOSED = sorted(set(S) - OPEN)
WAITING = "waiting"
_GROUPS = {
    WAITING: ("Waiting for us", QUEUE),
    "applicant": ("With the applicant", _WITH_APPLICANT),
    "closed": ("Closed", _CLOSED),
    "all": ("All", list(S)),
}


class StandingFilter(admin.SimpleListFilter):
    """Without a choice: the open queue. "All" is a choice, so that nobody meets a million rows."""

    title = "where it stands"
    parameter_name = "standing"
    always_chosen = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        groups = [(name, label) for name, (label, _states) in _GROUPS.items()]
        return groups + list(S.choices)

    def value(self) -> str:
        chosen = super().value()
        return chosen if chosen in _GROUPS or chosen in S.values else WAITING

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "all":
            return queryset
        states = _GROUPS[self.value()][1] if self.value() in _GROUPS else [self.value()]
        return queryset.filter(status__in=states)


class WhoseFilter(admin.SimpleListFilter):
    title = "who has it"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("mine", "I have taken it"),
            ("nobody", "Nobody"),
            ("unread", "I have not reviewed"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        narrowed = {
            "mine": Q(assignment__reviewer=request.user.pk),
            "nobody": Q(assignment=None),
            "unread": Q(reviewed_by_me=False, status__in=[S.IN_REVIEW, S.APPEALED]),
        }
        return queryset.filter(narrowed.get(self.value() or "", Q()))


class AttentionFilter(admin.SimpleListFilter):
    title = "needs an eye"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("overdue", "Overdue"), ("unanswered", "Unanswered message")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        narrowed = {"overdue": Q(overdue=True), "unanswered": Q(unanswered__gt=0)}
        return queryset.filter(narrowed.get(self.value() or "", Q()))


class TierFilter(admin.SimpleListFilter):
    title = "highest tier asked"
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(RiskTier.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(tier=self.value()) if self.value() else queryset


class _ByReference(admin.SimpleListFilter):
    """Choices are rows, named in the address by their public reference."""

    lookup: ClassVar[str]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(**{self.lookup: self.value()}) if self.value() else queryset


class PhaseFilter(_ByReference):
    title = "phase"
    parameter_name = "phase"
    lookup = "phase__ref"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        phases = RolloutPhase.objects.select_related("release")
        return [(phase.ref, str(phase)) for phase in phases]


class OrganizationFilter(_ByReference):
    """The busiest; every other one is found by searching for its name."""

    title = "organisation"
    parameter_name = "organization"
    lookup = "organization__ref"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        busiest: Any = busiest_organizations()  # `waiting` is counted there
        return [(each.ref, f"{each.name} ({each.waiting})") for each in busiest]
