"""Re-issues after cases, for staff: opened from a case, listed here."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from accounts.requests import SignedInRequest, signed_in
from portal.admin_buttons import Button
from portal.admin_lists import pill
from portal.credentials import admin_views, policies, reissue_policies, selectors
from portal.credentials.admin_cells import element, two_lines
from portal.credentials.admin_desk import REVOKE, Desk
from portal.credentials.admin_filters import ReissueStatusFilter
from portal.credentials.models import Reissue


class ReissueAdmin(Desk):
    found = selectors.search_reissues
    search_help_text = "A reference of a re-issue or its case, or a key id"
    list_display = ("ref_cell", "case", "count_cell", "standing", "who", "when")
    list_display_links = ("ref_cell",)
    list_filter = (ReissueStatusFilter,)
    actions = None
    buttons = (
        Button(
            "confirm",
            "Re-issue…",
            admin_views.confirm_reissue,
            REVOKE,
            reissue_policies.can_decide_reissue,
        ),
        Button(
            "approve",
            "Confirm as the second…",
            admin_views.approve_reissue,
            REVOKE,
            reissue_policies.can_approve_reissue,
        ),
        Button(
            "cancel",
            "Put away…",
            admin_views.cancel_reissue,
            REVOKE,
            reissue_policies.can_cancel_reissue,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        related = ("revocation", "previewed_by", "asked_by", "confirmed_by")
        return super().get_queryset(request).select_related(*related)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{address}",
                self.admin_site.admin_view(self._of(view)),
                name=f"credentials_reissue_{name}",
            )
            for address, name, view in (
                ("progress/", "progress", admin_views.show_slots),
                ("grants.csv", "export", admin_views.export_reissue),
            )
        ]
        return [*own, *super().get_urls()]

    def _of(self, view: Callable[..., Any]) -> Callable[..., HttpResponse]:
        """Hand the view its re-issue, for those who may see cases."""

        def guarded(request: HttpRequest, object_id: str) -> HttpResponse:
            if not self.has_view_permission(request):
                raise PermissionDenied
            reissue = self.get_object(request, unquote(object_id))
            if reissue is None:
                raise Http404
            return view(cast("SignedInRequest", request), reissue)

        return guarded

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self._of(admin_views.show_reissue)(request, object_id)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(policies.can_view_revocations(signed_in(request)))

    @admin.display(description="Re-issue")
    def ref_cell(self, reissue: Reissue) -> str:
        return reissue.ref

    @admin.display(description="After")
    def case(self, reissue: Reissue) -> str:
        return two_lines(reissue.revocation.ref, reissue.revocation.title)

    @admin.display(description="New keys")
    def count_cell(self, reissue: Reissue) -> str:
        return f"{reissue.count:,}"

    @admin.display(description="Status")
    def standing(self, reissue: Reissue) -> str:
        return pill(reissue.status, reissue.get_status_display())

    @admin.display(description="By")
    def who(self, reissue: Reissue) -> str:
        return str(reissue.confirmed_by or reissue.previewed_by)

    @admin.display(description="When")
    def when(self, reissue: Reissue) -> str:
        return element("time", moment=reissue.confirmed_at or reissue.previewed_at)
