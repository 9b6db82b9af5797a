"""The columns of the review desk's queue, from what selectors.with_desk_columns adds to a row."""

from typing import Any

from django.contrib import admin
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.programs.enums import RiskTier
from portal.reviews import casefile, policies, selectors

_NONE = SafeString('<span class="soft">&ndash;</span>')

# An Application with the columns that selectors.desk_for adds, which the checker cannot see.
Row = Any


class DeskColumns:
    """Mix in before ModelAdmin."""

    @admin.display(description="Application", ordering="pk")
    def ref_cell(self, application: Row) -> str:
        ref = format_html('<span class="unbroken">{}</span>', application.ref)
        return _two_lines(ref, application.phase.name)

    @admin.display(description="Applicant")
    def who(self, application: Row) -> str:
        """With how many of their messages wait for an answer."""
        told = _two_lines(application.applicant, application.organization or "Individual")
        if not application.unanswered:
            return told
        tag = _tag("elevated", f"{application.unanswered} to answer")
        return format_html("{}<br>{}", told, tag)

    @admin.display(description="Tier")
    def tier_cell(self, application: Row) -> str:
        tier = RiskTier(application.tier)
        return _element("tier", tier=tier, label=tier.label)

    @admin.display(description="Status")
    def standing(self, application: Row) -> str:
        label = application.get_status_display()
        pill = _element("pill", status=application.status, label=label)
        return pill + _conflict_tag() if application.my_conflict else pill

    @admin.display(description="Waiting", ordering="waiting_since")
    def waiting(self, application: Row) -> str:
        if application.status not in selectors.QUEUE:
            return _NONE
        age = casefile.age(application.waiting_since)
        if not application.overdue:
            return age
        over = casefile.in_days(timezone.now() - application.due_at)
        return format_html("{}<br>{}", age, _tag("critical", f"Overdue {over}"))

    @admin.display(description="Reviews")
    def reviews(self, application: Row) -> str:
        if application.status not in policies.UNDER_REVIEW:
            return _NONE
        needed = application.phase.reviewers_needed(application.tier)
        mine = SafeString('<br><span class="soft">yours is in</span>')
        told = format_html("{} of {}", application.reviews_in, needed)
        return told + mine if application.reviewed_by_me else told

    @admin.display(description="Taken by")
    def taken_by(self, application: Row) -> str:
        assignment = getattr(application, "assignment", None)
        return str(assignment.reviewer) if assignment else _NONE


def _two_lines(first: object, second: object) -> SafeString:
    return format_html('{}<br><span class="soft">{}</span>', first, second)


def _element(name: str, **context: Any) -> SafeString:
    return render_to_string(f"elements/{name}.html", context)


def _tag(tier: str, label: str) -> SafeString:
    """A word that asks for attention: a mark beside it, not colour alone."""
    return _element("tier", tier=tier, label=label)


def _conflict_tag() -> SafeString:
    return format_html("<br>{}", _tag("elevated", "Your conflict"))
