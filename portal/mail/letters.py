"""A mail in words, made of its template: what is sent, and what is shown before it is."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template import Context
from django.template.loader import get_template, render_to_string


@dataclass(frozen=True, slots=True)
class Letter:
    subject: str
    text: str


def letter(template: str, context: dict[str, Any]) -> Letter:
    """The subject on one line, and the plain text."""
    subject = " ".join(_plain(f"emails/{template}/subject.txt", context).split())
    return Letter(subject, _plain(f"emails/{template}/body.txt", context).strip() + "\n")


def as_html(template: str, context: dict[str, Any]) -> str:
    return render_to_string(f"emails/{template}/body.html", _with_base(context))


def _plain(template: str, context: dict[str, Any]) -> str:
    """Render without HTML escapes: an ampersand in a plain mail is an ampersand."""
    found: Any = get_template(template)
    return str(found.template.render(Context(_with_base(context), autoescape=False)))


def _with_base(context: dict[str, Any]) -> dict[str, Any]:
    return {"base_url": settings.BASE_URL, **context}
