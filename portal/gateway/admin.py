"""Gateways, in the staff's admin: to look at, with a button for each thing that can be done."""

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse

from accounts.requests import SignedInRequest, signed_in
from portal.admin_buttons import Button, ReadOnly, WithButtons
from portal.admin_lists import Condition, column, unbroken
from portal.gateway import admin_views, policies
from portal.gateway.models import Gateway
from portal.programs.admin_filters import ReleaseFilter


class KeysFilter(Condition):
    title, parameter_name = "keys", "keys"
    conditions: ClassVar = {
        "live": ("Live keys only", Q(sandbox=False)),
        "test": ("Test keys too", Q(sandbox=True)),
    }


class StateFilter(Condition):
    title, parameter_name = "state", "state"
    conditions: ClassVar = {
        "on": ("In use", Q(disabled_at=None)),
        "off": ("Disabled", Q(disabled_at__isnull=False)),
    }


@admin.register(Gateway)
class GatewayAdmin(ReadOnly, WithButtons, admin.ModelAdmin):
    public_id = "client_id"
    list_display = ("name", "client", "for_release", "keys", "registered", "disabled")
    list_filter = (ReleaseFilter, KeysFilter, StateFilter)
    list_select_related = ("release",)
    search_fields = ("name", "client_id")
    search_help_text = "Part of a name or of a client id"
    client = column("client_id", "client id", unbroken)
    for_release = column("release", "release", unbroken)
    registered = column("registered_at", "registered")
    disabled = column("disabled_at", "disabled")
    fields = (
        "name",
        "client_id",
        "release",
        "sandbox",
        "registered_at",
        "registered_by",
        "disabled_at",
        "disabled_by",
    )
    readonly_fields = fields
    buttons = (
        Button(
            "rotate",
            "Replace secret…",
            admin_views.rotate_gateway_secret,
            permission=policies.MANAGE,
            policy=policies.can_rotate_gateway_secret,
        ),
        Button(
            "disable",
            "Disable…",
            admin_views.disable_gateway,
            permission=policies.MANAGE,
            policy=policies.can_disable_gateway,
            danger=True,
        ),
    )

    @admin.display(description="keys", ordering="sandbox")
    def keys(self, gateway: Gateway) -> str:
        return "Test keys too" if gateway.sandbox else "Live keys only"

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return admin_views.register_gateway(cast("SignedInRequest", request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(policies.can_register_gateway(signed_in(request)))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_add_permission(request)
