"""Machines take a short way: no session, no sign-in, no CSRF token, no page around an error.

They authenticate with every request and hold no cookie, so nothing of that could help them; and
with the database down a visitor's cookie must not turn a clear 503 into something else.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

GetResponse = Callable[[HttpRequest], HttpResponse]

MACHINE_PATHS = (
    *("/oauth/", "/gateway/authorize", "/gateway/usage", "/gateway/snapshot"),
    *("/gateway/status-list", "/sandbox/"),
    *("/.well-known/jwks.json", "/.well-known/oauth-authorization-server"),
    *("/healthz", "/readyz", "/metrics"),
)


class MachineMiddleware:
    """Calls the view of a machine's address at once, past all middleware below this one."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(MACHINE_PATHS):
            return self.get_response(request)
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return self.get_response(request)
        request.resolver_match = match
        return match.func(request, *match.args, **match.kwargs)
