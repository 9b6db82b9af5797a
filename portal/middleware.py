"""What holds for every request: an id to quote, the reader's time zone, refusals turned into
answers in one place.
"""

import re
import uuid
import zoneinfo
from collections.abc import Callable
from urllib.parse import unquote

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import render
from django.utils import timezone

from portal.errors import DomainError
from portal.request_id import request_id
from portal.views import method_not_allowed

GetResponse = Callable[[HttpRequest], HttpResponse]

_PLAUSIBLE = re.compile(r"[0-9A-Za-z-]{8,36}")
_MACHINE_PATHS = ("/oauth/", "/gateway/", "/sandbox/")


class RequestIdMiddleware:
    """Gives each request an id, taken from X-Request-Id when plausible, and answers with it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        current = given if _PLAUSIBLE.fullmatch(given) else str(uuid.uuid4())
        token = request_id.set(current)
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-Id"] = current
        return response


class NulMiddleware:
    """No query asks for a NUL honestly, and PostgreSQL refuses to look for one: 400 rather than a
    failure in whichever filter reads it. In paths the converters see to it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\x00" in unquote(request.META.get("QUERY_STRING", "")):
            raise BadRequest("A NUL in the address.")
        return self.get_response(request)


class TimezoneMiddleware:
    """Shows times in the reader's own zone."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", "UTC")
        with timezone.override(zoneinfo.ZoneInfo(name)):
            return self.get_response(request)


class DomainErrorMiddleware:
    """DomainError becomes a page, an admin message, or problem+json (RFC 9457); a method that
    is not allowed becomes a page, too.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not _is_machine(request):
            return method_not_allowed(request, response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, DomainError):
            return None
        if _is_machine(request):
            return _problem(error)
        if request.path.startswith("/admin/") and request.method == "POST":
            messages.error(request, error.message)
            return HttpResponseRedirect(request.path)
        context = {"error": error, "request_id": request_id.get()}
        return render(request, "refused.html", context, status=error.status)


def _is_machine(request: HttpRequest) -> bool:
    return request.path.startswith(_MACHINE_PATHS)


def _problem(error: DomainError) -> JsonResponse:
    body = {"title": error.title, "status": error.status, "detail": error.message}
    return JsonResponse(
        {**body, "code": error.code},
        status=error.status,
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store"},
    )
