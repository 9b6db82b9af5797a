"""The review desk: the queue of applications, one application as a file, conflicts of interest."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from accounts.requests import signed_in
from portal.admin_buttons import Addressed, Button, ReadOnly, WithButtons, object_url
from portal.admin_lists import Choice, column, unbroken
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.audit.paging import BoundedPaginator
from portal.audit.readers import KEPT, ask_before_reading
from portal.reviews import admin_views, casefile, policies, selectors
from portal.reviews.admin_columns import DeskColumns
from portal.reviews.admin_filters import (
    AttentionFilter,
    OrganizationFilter,
    PhaseFilter,
    StandingFilter,
    TierFilter,
    WhoseFilter,
)
from portal.reviews.enums import ConflictKind, ConflictResolution
from portal.reviews.models import ConflictOfInterest

# The log asks before it shows what a review or a ruling said.
for _area in KEPT:
    ask_before_reading(_area, policies.can_read_event)

_REVIEW = "reviews.review_application"
_RULE = ("reviews.review_application", "reviews.decide_application")


class _DeskList(Addressed):
    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet:
        """The list leaves out what its reader is tied to; the page of one says why it does."""
        self.root_queryset = selectors.desk_for(signed_in(request))
        return super().get_queryset(request, *args, **kwargs)


@admin.register(Application)
class ReviewDesk(DeskColumns, ReadOnly, WithButtons, admin.ModelAdmin):
    change_list_template = "admin/reviews/desk.html"
    change_form_template = "admin/reviews/file.html"
    list_display = (
        "ref_cell",
        "who",
        "tier_cell",
        "standing",
        "waiting",
        "reviews",
        "taken_by",
    )
    list_display_links = ("ref_cell",)
    list_filter = (
        StandingFilter,
        WhoseFilter,
        AttentionFilter,
        TierFilter,
        PhaseFilter,
        OrganizationFilter,
    )
    list_per_page = 50
    list_max_show_all = 0
    paginator = BoundedPaginator
    show_full_result_count = False
    sortable_by = ("ref_cell", "waiting")
    search_fields = ("ref",)  # shows the box; what is searched is selectors.search
    search_help_text = "A reference, or part of a name, an address or an organisation"
    fields = ()
    buttons = (
        Button(
            "take", "Take into review…", admin_views.take, _REVIEW, policies.can_take_application
        ),
        Button(
            "review", "Record review…", admin_views.review, _REVIEW, policies.can_review_application
        ),
        Button(
            "changes",
            "Request changes…",
            admin_views.request_changes,
            _REVIEW,
            policies.can_request_changes,
        ),
        Button("approve", "Approve…", admin_views.approve, _RULE, policies.can_approve_application),
        Button(
            "decline",
            "Decline…",
            admin_views.decline,
            _RULE,
            policies.can_decide_application,
            danger=True,
        ),
        Button(
            "waitlist",
            "Put on waiting list…",
            admin_views.waitlist,
            _RULE,
            policies.can_waitlist_application,
        ),
        Button(
            "reply",
            "Write to applicant…",
            admin_views.reply,
            _REVIEW,
            policies.can_reply_to_applicant,
        ),
        Button(
            "conflict",
            "Declare conflict…",
            admin_views.declare_conflict,
            _REVIEW,
            policies.can_declare_conflict,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """For the page of one; the list's is _DeskList's, which its ordering needs."""
        return Application.objects.select_related(
            "applicant", "organization", "phase__release", "assignment__reviewer"
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return _DeskList

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return super().changelist_view(request, {"title": "Review desk", **(extra_context or {})})

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Longest waiting first; of what does not wait, the newest."""
        waiting = request.GET.get("standing", "waiting") == "waiting"
        return ("waiting_since", "pk") if waiting else ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        return (selectors.search(queryset, search_term) if search_term else queryset), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The file; with a tie, a page that says why not; with a declared
        conflict its cover only.
        """
        context = {**(extra_context or {})}
        application = self.get_object(request, unquote(object_id))
        if application and self.has_view_permission(request, application):
            context |= _file(request, application)
        return super().change_view(request, object_id, form_url, context)


class ResolutionFilter(Choice):
    title, parameter_name, lookup = "resolution", "resolution", "resolution"
    choices_of = ConflictResolution


class KindFilter(Choice):
    title, parameter_name, lookup = "kind", "kind", "kind"
    choices_of = ConflictKind


@admin.register(ConflictOfInterest)
class ConflictDesk(ReadOnly, WithButtons, admin.ModelAdmin):
    list_display = ("reference", "file_cell", "person", "kind", "resolution", "declared")
    list_filter = (ResolutionFilter, KindFilter)
    reference = column("ref", "reference", unbroken)
    file_cell = column("application", "application", unbroken)
    declared = column("declared_at", "declared")
    list_select_related = ("application", "person")
    ordering = ("-pk",)
    show_full_result_count = False
    fields = (
        "ref",
        "file",
        "person",
        "kind",
        "detail",
        "declared_at",
        "resolution",
        "resolved_at",
        "resolved_by",
    )
    readonly_fields = fields
    buttons = (
        Button(
            "resolve",
            "Resolve…",
            admin_views.resolve_conflict,
            "reviews.waive_conflict",
            policies.can_resolve_conflict,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Not what others declared in a file that its reader is kept out of."""
        return selectors.conflicts_for(signed_in(request))

    @admin.display(description="Application")
    def file(self, conflict: ConflictOfInterest) -> str:
        url = object_url(conflict.application)
        return format_html('<a href="{}">{}</a>', url, conflict.application)


def _file(request: HttpRequest, application: Application) -> dict[str, Any]:
    readable = policies.can_read_file(signed_in(request), application)
    if not readable and readable.code != "conflict":
        readable.enforce()
    inside = casefile.contents(signed_in(request), application) if readable else {}
    to_take = application.status in (ApplicationStatus.SUBMITTED, ApplicationStatus.WAITLISTED)
    return {
        "title": f"{application.ref}: {application.applicant}",
        "subtitle": None,
        "readable": readable,
        "may_resolve": request.user.has_perm("reviews.waive_conflict"),
        "main_verbs": ["take"] if to_take else ["review", "approve"],
        **casefile.header(application),
        **inside,
    }
