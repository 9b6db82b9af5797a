"""Gateways, in the staff's admin: to look at, with a button for each thing that can be done."""

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from accounts.requests import SignedInRequest, signed_in
from portal.admin_buttons import Button, ReadOnly, WithButtons
from portal.gateway import admin_views, policies
from portal.gateway.models import Gateway


@admin.register(Gateway)
class GatewayAdmin(ReadOnly, WithButtons, admin.ModelAdmin):
    public_id = "client_id"
    list_display = ("name", "client_id", "release", "sandbox", "registered_at", "disabled_at")
    list_filter = ("release", "sandbox", ("disabled_at", admin.EmptyFieldListFilter))
    list_select_related = ("release",)
    search_fields = ("name", "client_id")
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

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return admin_views.register_gateway(cast("SignedInRequest", request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(policies.can_register_gateway(signed_in(request)))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_add_permission(request)
