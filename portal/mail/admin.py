"""Mails, to look at; a given-up one can be tried again."""

from contextlib import suppress
from datetime import datetime
from typing import ClassVar

from django.contrib import admin
from django.db.models import Q
from django.template import TemplateDoesNotExist
from django.utils.html import format_html

from portal.admin_buttons import Button, ReadOnly, WithButtons
from portal.admin_lists import Condition, column, unbroken
from portal.mail import admin_views, policies
from portal.mail.letters import letter
from portal.mail.models import OutgoingMail
from portal.templatetags.elements import breaking


class StateFilter(Condition):
    title, parameter_name = "state", "state"
    conditions: ClassVar = {
        "waiting": ("Waiting", Q(sent_at=None, dead_at=None, held=False)),
        "held": ("Held", Q(sent_at=None, dead_at=None, held=True)),
        "dead": ("Given up", Q(dead_at__isnull=False, sent_at=None)),
        "sent": ("Sent", Q(sent_at__isnull=False)),
    }


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnly, WithButtons, admin.ModelAdmin):
    list_display = (
        *("reference", "about", "to_cell", "state", "attempts"),
        *("queued", "next_attempt"),
    )
    list_filter = (StateFilter,)
    search_fields = ("=ref", "=case", "to", "template")
    search_help_text = "A whole reference of a mail or a case, or part of an address or a template"
    reference = column("ref", "reference", unbroken)
    to_cell = column("to", "to", breaking)
    queued = column("queued_at", "queued")
    fields = (
        "reference",
        "to",
        "case",
        "subject",
        "text",
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

    @admin.display(description="about", ordering="template")
    def about(self, mail: OutgoingMail) -> str:
        """“Key claimed”, of the template credentials/key_claimed; below it the case it tells of."""
        words = mail.template.partition("/")[2].replace("_", " ").capitalize()
        if not mail.case:
            return words
        return format_html('{}<br><span class="soft unbroken">{}</span>', words, mail.case)

    @admin.display(description="next attempt", ordering="next_attempt_at")
    def next_attempt(self, mail: OutgoingMail) -> datetime | None:
        """Of what is sent or given up there is none."""
        return mail.next_attempt_at if mail.state in {"Waiting", "Held"} else None

    @admin.display(description="subject")
    def subject(self, mail: OutgoingMail) -> str | None:
        return _letter(mail, "subject")

    @admin.display(description="text")
    def text(self, mail: OutgoingMail) -> str | None:
        """As it is read where HTML is not; it holds no secret, for none is kept to be mailed."""
        text = _letter(mail, "text")
        return text and format_html('<div class="as-typed">{}</div>', text)


def _letter(mail: OutgoingMail, part: str) -> str | None:
    """Nothing of a mail so old that its template is gone."""
    with suppress(TemplateDoesNotExist):
        return str(getattr(letter(mail.template, mail.context), part))
    return None
