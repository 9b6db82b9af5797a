"""What every page's template may use."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    return {"demo": settings.DEMO, "security_contact": settings.SECURITY_CONTACT}
