"""The admin's first page asks for its numbers here, since Django's own view makes that page."""

from typing import Any

from django import template

from portal.reviews.dashboard import dashboard as parts_for

register = template.Library()


@register.simple_tag(takes_context=True)
def dashboard(context: dict[str, Any]) -> dict[str, Any]:
    return parts_for(context["request"].user)
