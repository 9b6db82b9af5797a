"""What holds for every request: an id to quote, a line in the log, the reader's time zone, refusals
turned into answers in one place.
"""

import logging
import time
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
from portal.metrics import note_request
from portal.refusals import refusal_of
from portal.request_id import believed, request_id
from portal.sparingly import Sparingly
from portal.views import method_not_allowed

GetResponse = Callable[[HttpRequest], HttpResponse]

access = logging.getLogger("portal.access")

_MACHINE_PATHS = ("/oauth/", "/gateway/", "/sandbox/")
_ASKED_OFTEN = (*_MACHINE_PATHS, "/healthz", "/readyz", "/metrics")
_LONGEST_PATH = 200


class RequestIdMiddleware:
    """Gives each request an id, taken from X-Request-Id when plausible, and answers with it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        current = believed(request.META.get("HTTP_X_REQUEST_ID"))
        token = request_id.set(current)
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-Id"] = current
        return response


class AccessMiddleware:
    """Counts each page and writes one line about it.

    Machines ask by the thousand, and their answers are counted by reason where they are given; of
    what they and probes ask, only what failed here is told, and a 503, which all of them get for as
    long as an outage lasts, once a second.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._outages = Sparingly()

    def _is_told(self, status: int) -> bool:
        return status >= 500 and (status != 503 or self._outages.turn() is not None)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        often = request.path_info.startswith(_ASKED_OFTEN)
        if often and not self._is_told(response.status_code):
            return response
        seconds = time.perf_counter() - began
        match = request.resolver_match
        route = match.view_name if match else ""
        if not often:
            note_request(view=route or "none", status=response.status_code, seconds=seconds)
        _tell(request, response, route, round(seconds * 1000))
        return response


def _tell(request: HttpRequest, response: HttpResponse, route: str, milliseconds: int) -> None:
    """A route has a name without references in it; only where there is none the path is told, and
    never what follows the question mark, where codes and searches stand.
    """
    path = "" if route else request.path[:_LONGEST_PATH]
    # As somebody looked who asks: looking here would cost what nobody wanted.
    user = getattr(request, "_cached_user", None)
    access.log(
        logging.ERROR if response.status_code >= 500 else logging.INFO,
        "%s %s: %d after %d ms",
        request.method,
        route or path,
        response.status_code,
        milliseconds,
        extra={
            "method": request.method,
            "route": route,
            "path": path,
            "status": response.status_code,
            "duration_ms": milliseconds,
            "user": getattr(user, "ref", ""),
        },
    )


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
    """DomainError becomes a page, an admin message, or problem+json (RFC 9457); so do a wait for
    others that took too long, and a method that is not allowed.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not _is_machine(request):
            return method_not_allowed(request, response)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        refusal = refusal_of(error)
        if refusal is None:
            return None
        if _is_machine(request):
            return _problem(refusal)
        if request.path.startswith("/admin/") and request.method == "POST":
            messages.error(request, refusal.message)
            return HttpResponseRedirect(request.path)
        context = {"error": refusal, "request_id": request_id.get()}
        return render(request, "refused.html", context, status=refusal.status)


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
