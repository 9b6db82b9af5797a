"""Endpoints and what was told to them, to look at; staff can switch an endpoint off."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from portal.admin_buttons import Button, PublicIds, WithButtons
from portal.webhooks import admin_views, policies
from portal.webhooks.models import Delivery, Endpoint


class ReadOnly(admin.ModelAdmin):
    """Partners make these in the portal; nobody makes them here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Endpoint)
class EndpointAdmin(WithButtons, ReadOnly):
    list_display = ("ref", "organization", "url", "last_success_at", "disabled_reason")
    list_filter = ("disabled_reason",)
    list_select_related = ("organization",)
    search_fields = ("=ref", "=organization__ref", "organization__name", "url")
    fields = (
        "ref",
        "organization",
        "url",
        "created_at",
        "created_by",
        "last_success_at",
        "disabled_at",
        "disabled_reason",
        "disabled_by",
    )
    readonly_fields = fields
    buttons = (
        Button(
            "disable",
            "Switch off…",
            admin_views.disable_endpoint,
            permission=policies.DISABLE,
            policy=policies.can_disable_endpoint,
            danger=True,
        ),
    )


@admin.register(Delivery)
class DeliveryAdmin(PublicIds, ReadOnly):
    list_display = (
        "ref",
        "kind",
        "endpoint",
        "state_label",
        "attempts",
        "last_status",
        "queued_at",
    )
    list_filter = ("kind", ("dead_at", admin.EmptyFieldListFilter))
    list_select_related = ("endpoint",)
    search_fields = ("=ref", "=endpoint__ref", "=about")
    fields = (
        "ref",
        "kind",
        "about",
        "endpoint",
        "body",
        "state_label",
        "attempts",
        "last_status",
        "last_error",
        "queued_at",
        "next_attempt_at",
        "give_up_at",
        "delivered_at",
        "dead_at",
    )
    readonly_fields = fields
