"""What staff's lists of grants, keys and cases have in common."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse

from accounts.requests import signed_in
from portal.admin_buttons import ReadOnly, WithButtons
from portal.credentials import policies, targets

REVOKE = "credentials.revoke_credentials"


class Desk(ReadOnly, WithButtons, admin.ModelAdmin):
    """Read-only, narrowed in one form, searched by POST: what is pasted into the box may be a
    whole key, which must not stand in an address.
    """

    change_list_template = "admin/credentials/list.html"
    search_fields = ("pk",)  # shows the box; what is searched is `found`
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 0
    sortable_by = ()
    found: ClassVar[Callable[[QuerySet, str], QuerySet]]

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_find"
        return [
            path("find/", self.admin_site.admin_view(self.find), name=name),
            *super().get_urls(),
        ]

    def find(self, request: HttpRequest) -> HttpResponse:
        """Cut what was searched for to what may stand in an address, and go there."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.POST.copy()
        asked.pop("csrfmiddlewaretoken", None)
        return HttpResponseRedirect(self._list_url(asked))

    def _list_url(self, asked: QueryDict) -> str:
        asked["q"] = _cut(asked.get("q", ""))
        for name in [name for name, value in asked.items() if not value]:
            del asked[name]
        page = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return f"{page}?{asked.urlencode()}"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if _cut(request.GET.get("q", "")) != request.GET.get("q", ""):
            return HttpResponseRedirect(self._list_url(request.GET.copy()))
        context = {
            "empty_text": f"No {self.opts.verbose_name_plural} yet.",
            "has_revoke_permission": self.has_revoke_permission(request),
        }
        return super().changelist_view(request, context | (extra_context or {}))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        return (type(self).found(queryset, search_term) if search_term else queryset), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        context = {**(extra_context or {})}
        if obj and self.has_view_permission(request, obj):
            context |= {"title": str(obj), "subtitle": None, **self.contents(obj)}
        return super().change_view(request, object_id, form_url, context)

    def contents(self, obj: Any) -> dict[str, Any]:
        """What the page of one thing shows."""
        raise NotImplementedError

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """None: each page is a template of its own."""
        return []

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(REVOKE)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Of the action on ticked rows."""
        return bool(policies.can_revoke_in_bulk(signed_in(request)))


def _cut(text: str) -> str:
    """Text without any secret: whole keys cut to their kids."""
    return " ".join(targets.split_kids(text)) if "tpk_" in text else text
