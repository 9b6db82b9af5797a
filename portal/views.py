"""Pages that belong to no app: errors, and what probes and researchers look for."""

from datetime import timedelta

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone

from portal.request_id import request_id

SECURITY_TXT_HOLDS = timedelta(days=180)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 404)


def method_not_allowed(request: HttpRequest, refused: HttpResponse) -> HttpResponse:
    """In place of the empty answer that Django gives."""
    page = _error(request, 405)
    page["Allow"] = refused["Allow"]
    return page


def _error(request: HttpRequest, status: int) -> HttpResponse:
    return render(request, f"{status}.html", {"request_id": request_id.get()}, status=status)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without the request: what broke may be what the context processors ask."""
    return HttpResponseServerError(render_to_string("500.html", {"request_id": request_id.get()}))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form sent without its token: usually a tab left open over a sign-in."""
    return render(request, "403_csrf.html", {"request_id": request_id.get()}, status=403)


def healthz(request: HttpRequest) -> HttpResponse:
    """The process is up; asks nothing of anyone."""
    return HttpResponse("ok\n", content_type="text/plain")


def security_txt(request: HttpRequest) -> HttpResponse:
    """RFC 9116, which asks for an end less than a year away: what is served today is true today."""
    expires = timezone.now() + SECURITY_TXT_HOLDS
    body = (
        f"Contact: {settings.SECURITY_CONTACT}\n"
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}\n"
        "Preferred-Languages: en\n"
        f"Canonical: {settings.BASE_URL}/.well-known/security.txt\n"
    )
    return HttpResponse(body, content_type="text/plain; charset=utf-8")
