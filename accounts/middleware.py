"""What to do when an act needs a fresh sign-in."""

from collections.abc import Callable
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ReauthenticationRequired
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

GetResponse = Callable[[HttpRequest], HttpResponse]


class ReauthenticationMiddleware:
    """Sends the person to prove who they are, and back.

    Stands after allauth's own middleware and so comes first here: allauth would keep the whole
    request in the session, cookies and environment included, and would send somebody without
    password or second factor to a page that lets them through.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, ReauthenticationRequired):
            return None
        methods = get_adapter(request).get_reauthentication_methods(request.user)
        where = methods[0]["url"] if methods else reverse("accounts:sign_in_again")
        return HttpResponseRedirect(f"{where}?{urlencode({'next': _back_to(request)})}")


def _back_to(request: HttpRequest) -> str:
    """The page itself, or for a form that was sent the page it stood on."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    referer = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(referer, {request.get_host()}):
        return urlsplit(referer).path or "/"
    return "/"
