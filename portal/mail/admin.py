"""Mails, to look at; a given-up one can be tried again."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from portal.admin_buttons import Button, ReadOnly, WithButtons
from portal.mail import admin_views, policies
from portal.mail.models import OutgoingMail

_STATES = {
    "waiting": Q(sent_at=None, dead_at=None, held=False),
    "held": Q(sent_at=None, dead_at=None, held=True),
    "dead": Q(dead_at__isnull=False, sent_at=None),
    "sent": Q(sent_at__isnull=False),
}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("waiting", "Waiting"),
            ("held", "Held"),
            ("dead", "Given up"),
            ("sent", "Sent"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(_STATES.get(self.value() or "", Q()))


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnly, WithButtons, admin.ModelAdmin):
    list_display = (
        "ref",
        "template_cell",
        "to_cell",
        "case",
        "state",
        "attempts",
        "queued_at",
        "next_attempt_at",
    )
    list_filter = (StateFilter,)
    search_fields = ("=ref", "=case", "to", "template")
    fields = (
        "ref",
        "to",
        "template",
        "case",
        "context",
        "state",
        "attempts",
        "last_error",
        "queued_at",
        "next_attempt_at",
        "sent_at",
        "dead_at",
    )
    readonly_fields = fields
    buttons = (
        Button(
            "retry",
            "Try again…",
            admin_views.retry_mail,
            permission="mail.retry_mail",
            policy=policies.can_retry_mail,
        ),
    )

    @admin.display(description="Template", ordering="template")
    def template_cell(self, mail: OutgoingMail) -> str:
        app, _slash, event = mail.template.partition("/")
        return format_html("{}/<wbr>{}", app, event)

    @admin.display(description="To", ordering="to")
    def to_cell(self, mail: OutgoingMail) -> str:
        name, _at, host = mail.to.rpartition("@")
        return format_html("{}<wbr>@{}", name, host)
