"""What staff's lists have in common: their names, what narrows them, what stands in their cells.

A plain column of the table, under a head of people's words:

    reference = column("ref", "reference")

Pages of one thing name a moment's own field: of a column they would show it as machines write it.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst


class Offered(ChangeList):
    """Takes from the address what its filters offer, and nothing else.

    Django's own takes a condition on any column of the table, shown or not: whoever may look at
    the list of people would find the hash of a password letter by letter, from how many rows are
    left, and whoever may not read what an event holds would ask for it.
    """

    def get_filters(self, request: HttpRequest) -> Any:
        """Refuse what no filter took, as Django refuses what is no column."""
        found = super().get_filters(request)
        untaken = found[2]
        if untaken:
            raise IncorrectLookupParameters(*untaken)
        return found


class Listed(admin.ModelAdmin):
    """A list in the admin begins with this, or with portal.admin_buttons.PublicIds: it is called
    what it holds, not “Select one to view”, and narrowed by its filters alone. What is only looked
    at is called by its name, not “View mail”.
    """

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return Offered

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        title = {"title": capfirst(str(self.opts.verbose_name_plural))}
        return super().changelist_view(request, title | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = context.get("original")
        if obj is not None and context["subtitle"] and not self.has_change_permission(request, obj):
            context |= {"title": f"{capfirst(self.opts.verbose_name)} {obj}", "subtitle": None}
        return super().render_change_form(request, context, *args, **kwargs)


class Choice(admin.SimpleListFilter):
    """One column, one of its values."""

    choices_of: ClassVar[Any]
    lookup: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.choices_of.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(**{self.lookup: self.value()}) if self.value() else queryset


class Condition(admin.SimpleListFilter):
    """One of some conditions, each under a name and in words."""

    conditions: ClassVar[dict[str, tuple[str, Q]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _met) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        _words, met = self.conditions.get(self.value() or "", ("", Q()))
        return queryset.filter(met)


def column(
    field: str, words: str, shown: Callable[[Any], object] | None = None
) -> Callable[..., Any]:
    @admin.display(description=words, ordering=field)
    def cell(_self: Any, row: Any) -> Any:
        value = getattr(row, field)
        return value if shown is None or value is None else shown(value)

    return cell


def pill(status: str, label: str) -> SafeString:
    return render_to_string("elements/pill.html", {"status": status, "label": label})


def unbroken(words: object) -> SafeString:
    """Breaks between words, never at the hyphen of a reference or of a model's name."""
    each = ((word,) for word in str(words).split())
    return format_html_join(" ", '<span class="unbroken">{}</span>', each)
