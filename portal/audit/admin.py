"""The log, to look at. Names are looked up when shown; the log itself holds references."""

import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from portal.admin_buttons import ReadOnly
from portal.admin_lists import Listed, Offered
from portal.audit import selectors
from portal.audit.models import Event
from portal.audit.paging import BoundedPaginator
from portal.audit.presenters import PRESENTERS, present
from portal.audit.readers import can_read_payload

# What a reference's prefix is the reference of; a page that is not there is not linked to.
_PAGES = {
    "APP": "applications_application",
    "USR": "accounts_user",
    "ORG": "accounts_organization",
    "REL": "programs_modelrelease",
    "PHA": "programs_rolloutphase",
    "GRT": "credentials_grant",
    "CASE": "credentials_revocation",
    "COI": "reviews_conflictofinterest",
    "": "credentials_credential",  # a kid has no prefix
}


class AreaFilter(admin.SimpleListFilter):
    title = "area"
    parameter_name = "area"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(area, area.capitalize()) for area in selectors.areas()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        area = self.value()
        return queryset.filter(kind__in=selectors.kinds_of(area)) if area else queryset


class KindFilter(admin.SimpleListFilter):
    """The kinds of the area chosen: sixty at once would be a wall."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        area = request.GET.get("area") or request.GET.get("kind", "").partition(".")[0]
        return [(kind, PRESENTERS[kind]) for kind in selectors.kinds_of(area)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class WhenFilter(admin.SimpleListFilter):
    title = "time"
    parameter_name = "hours"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("1", "The last hour"),
            ("24", "The last 24 hours"),
            ("168", "The last 7 days"),
            ("720", "The last 30 days"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        hours = self.value()
        if hours is None or hours not in dict(self.lookup_choices):
            return queryset
        return selectors.since(queryset, int(hours))


class _NamedList(Offered):
    """Looks up the people of one page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        people = selectors.people_in(self.result_list)
        for event in self.result_list:
            event.people = people


@admin.register(Event)
class EventAdmin(ReadOnly, Listed):
    change_list_template = "admin/audit/log.html"
    list_display = ("at", "what", "actor_cell", "subject_cell", "thread_cell")
    list_display_links = ("at",)
    list_filter = (AreaFilter, KindFilter, WhenFilter)
    list_per_page = 100
    list_max_show_all = 0
    show_full_result_count = False
    paginator = BoundedPaginator
    ordering = ("-id",)
    sortable_by = ()
    actions = None
    search_fields = ("subject",)  # shows the box; what is searched is selectors.search
    search_help_text = "A whole reference, key id or e-mail address"
    fields = (
        "at",
        "what",
        "kind",
        "actor_cell",
        "subject_cell",
        "thread_cell",
        "request_id",
        "payload_cell",
    )
    readonly_fields = fields

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """With the answer whether its reader may see what it holds."""
        event: Any = super().get_object(request, object_id, from_field)
        if event:
            event.readable = can_read_payload(request.user, event)
        return event

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _NamedList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Audit log", **(extra_context or {})})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        return selectors.search(queryset, search_term), False

    @admin.display(description="What")
    def what(self, event: Event) -> str:
        return present(event.kind)

    @admin.display(description="Who")
    def actor_cell(self, event: Event) -> str:
        return _named(event, event.actor)

    @admin.display(description="About")
    def subject_cell(self, event: Event) -> str:
        return _named(event, event.subject)

    @admin.display(description="File")
    def thread_cell(self, event: Event) -> str:
        return _named(event, event.thread) if event.thread != event.subject else ""

    @admin.display(description="Payload")
    def payload_cell(self, event: Any) -> str:
        if not event.readable:
            return str(event.readable.reason)
        text = json.dumps(event.payload, indent=2, sort_keys=True, ensure_ascii=False)
        return format_html("<pre>{}</pre>", text)


def _named(event: Event, ref: str) -> str:
    """The reference, linked to its page, and the person's name if it is one's."""
    people = getattr(event, "people", None)
    name = selectors.actor_name(ref, selectors.people_in([event]) if people is None else people)
    url = _page_of(ref)
    shown = format_html('<a href="{}">{}</a>', url, name) if url else name
    if name == ref or ref.startswith("system:"):
        return shown
    return format_html('{} <span class="soft unbroken">{}</span>', shown, ref)


def _page_of(ref: str) -> str:
    prefix, dash, _ = ref.rpartition("-")
    page = "" if ":" in ref else _PAGES.get(prefix if dash else "", "")
    try:
        return reverse(f"admin:{page}_change", args=[ref]) if page else ""
    except NoReverseMatch:
        return ""
