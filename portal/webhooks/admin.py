"""Endpoints and what was told to them, to look at; staff can switch an endpoint off."""

from django.contrib import admin

from portal.admin_buttons import Button, PublicIds, ReadOnly, WithButtons
from portal.webhooks import admin_views, policies
from portal.webhooks.models import Delivery, Endpoint


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly, WithButtons, admin.ModelAdmin):
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
class DeliveryAdmin(ReadOnly, PublicIds, admin.ModelAdmin):
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
