"""Endpoints and what was told to them, to look at; staff can switch an endpoint off."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import Q
from django.utils.safestring import SafeString

from portal.admin_buttons import Button, PublicIds, ReadOnly, WithButtons
from portal.admin_lists import Choice, Condition, column, pill, unbroken
from portal.templatetags.elements import breaking
from portal.webhooks import admin_views, policies
from portal.webhooks.enums import DisabledReason, EventKind
from portal.webhooks.models import Delivery, Endpoint


class EndpointFilter(Condition):
    title, parameter_name = "state", "state"
    conditions: ClassVar = {
        "on": ("On", Q(disabled_at=None)),
        **{reason.value: (reason.label, Q(disabled_reason=reason)) for reason in DisabledReason},
    }


class KindFilter(Choice):
    title, parameter_name, lookup = "kind", "kind", "kind"
    choices_of = EventKind


class DeliveryFilter(Condition):
    title, parameter_name = "state", "state"
    conditions: ClassVar = {
        "waiting": ("Waiting", Q(delivered_at=None, dead_at=None)),
        "delivered": ("Delivered", Q(delivered_at__isnull=False)),
        "given_up": ("Given up", Q(delivered_at=None, dead_at__isnull=False)),
    }


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly, WithButtons, admin.ModelAdmin):
    list_display = ("reference", "partner", "url_cell", "last_arrived", "state")
    list_filter = (EndpointFilter,)
    list_select_related = ("organization",)
    search_fields = ("=ref", "=organization__ref", "organization__name", "url")
    search_help_text = "A whole reference, or part of an organisation or an address"
    reference = column("ref", "reference", unbroken)
    partner = column("organization", "organisation")
    url_cell = column("url", "address", breaking)
    last_arrived = column("last_success_at", "last arrived")
    fields = (
        "reference",
        "partner",
        "url",
        "created_at",
        "created_by",
        "last_success_at",
        "state",
        "disabled_at",
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

    @admin.display(description="state", ordering="disabled_reason")
    def state(self, endpoint: Endpoint) -> str:
        return endpoint.get_disabled_reason_display() or "On"


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, PublicIds, admin.ModelAdmin):
    list_display = ("reference", "kind", "sent_to", "state", "attempts", "last_answer", "queued")
    list_filter = (KindFilter, DeliveryFilter)
    list_select_related = ("endpoint",)
    search_fields = ("=ref", "=endpoint__ref", "=about")
    search_help_text = "A whole reference: of a delivery, an endpoint, or what it tells of"
    reference = column("ref", "reference", unbroken)
    sent_to = column("endpoint", "endpoint", unbroken)
    queued = column("queued_at", "queued")
    fields = (
        "reference",
        "kind",
        "about",
        "endpoint",
        "body",
        "state",
        "attempts",
        "last_answer",
        "queued_at",
        "next_attempt_at",
        "give_up_at",
        "delivered_at",
        "dead_at",
    )
    readonly_fields = fields

    @admin.display(description="state")
    def state(self, delivery: Delivery) -> SafeString:
        return pill(delivery.state, delivery.state_label)

    @admin.display(description="last answer")
    def last_answer(self, delivery: Delivery) -> str:
        return delivery.problem or "None yet"
