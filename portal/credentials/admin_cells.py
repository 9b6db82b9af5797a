"""What stands in the cells of staff's lists of grants, keys and cases."""

from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from portal.admin_lists import pill
from portal.credentials import casebook

NONE = SafeString('<span class="soft">&ndash;</span>')


def two_lines(first: object, second: object) -> SafeString:
    return format_html('{}<br><span class="soft">{}</span>', first, second)


def element(name: str, **context: Any) -> SafeString:
    return render_to_string(f"elements/{name}.html", context)


def judged(judgement: casebook.Judgement) -> SafeString:
    said = pill(judgement.status, judgement.words)
    if judgement.status != "blocked":
        return said
    return two_lines(said, format_html("{} <code>{}</code>", judgement.reason, judgement.code))


def scopes(scopes: list[str]) -> SafeString:
    return format_html_join(SafeString("<br>"), "<code>{}</code>", ((each,) for each in scopes))


def day(moment: datetime | None) -> SafeString:
    if moment is None:
        return NONE
    day = date_format(timezone.localtime(moment), "j M Y")
    return format_html('<time datetime="{}">{}</time>', moment.isoformat(), day)
