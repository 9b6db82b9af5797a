"""Freezes, for staff: those in force first, each with its buttons; placing one has its own page."""

from typing import Any, cast

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import Truncator

from accounts.requests import SignedInRequest, signed_in
from portal.admin_buttons import Button
from portal.admin_lists import pill
from portal.credentials import admin_views, casebook, freeze_policies, levels
from portal.credentials.admin_cells import element, two_lines
from portal.credentials.admin_desk import Desk
from portal.credentials.admin_filters import FreezeLevelFilter, FreezeStandingFilter

FREEZE = "credentials.freeze_access"


class FreezeAdmin(Desk):
    found = levels.search_freezes
    change_list_template = "admin/credentials/freezes.html"
    change_form_template = "admin/credentials/freeze.html"
    search_help_text = "A reference, or part of the name of what is frozen"
    list_display = ("ref_cell", "over", "standing", "why", "who", "when")
    list_display_links = ("ref_cell",)
    list_filter = (FreezeStandingFilter, FreezeLevelFilter)
    ordering = (F("lifted_at").desc(nulls_first=True), "-id")
    actions = None
    buttons = (
        Button(
            "ask_to_lift",
            "Ask to lift…",
            admin_views.ask_to_lift,
            FREEZE,
            freeze_policies.can_ask_to_lift,
        ),
        Button("lift", "Lift…", admin_views.lift_freeze, FREEZE, freeze_policies.can_lift_freeze),
        Button(
            "keep", "Keep frozen…", admin_views.keep_freeze, FREEZE, freeze_policies.can_keep_freeze
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).select_related("lift_asked_by", "lifted_by")
        return levels.with_names(rows)

    def contents(self, obj: Any) -> dict[str, Any]:
        status, label = levels.standing_of(obj)
        aim = levels.Aim(obj.level, obj.target)
        return {
            "freeze": obj,
            "words": levels.words_of(obj),
            "status": status,
            "label": label,
            "stopped": None if obj.lifted_at else levels.count_stopped(aim),
            "entries": casebook.case_timeline(obj),
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return admin_views.new_freeze(cast("SignedInRequest", request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(freeze_policies.can_freeze(signed_in(request)))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(freeze_policies.can_view_freezes(signed_in(request)))

    @admin.display(description="Freeze")
    def ref_cell(self, freeze: Any) -> str:
        return freeze.ref

    @admin.display(description="Over")
    def over(self, freeze: Any) -> str:
        words = levels.words_of(freeze)
        return two_lines(words, freeze.target) if freeze.target else words

    @admin.display(description="Standing")
    def standing(self, freeze: Any) -> str:
        return pill(*levels.standing_of(freeze))

    @admin.display(description="Why")
    def why(self, freeze: Any) -> str:
        return Truncator(freeze.reason).chars(120)

    @admin.display(description="Placed by")
    def who(self, freeze: Any) -> str:
        return freeze.author

    @admin.display(description="Placed")
    def when(self, freeze: Any) -> str:
        return element("time", moment=freeze.placed_at)
