"""What to do when an act needs a fresh sign-in; and where each session was seen."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ReauthenticationRequired
from allauth.core.internal.httpkit import HTTP_USER_AGENT_MAX_LENGTH
from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

GetResponse = Callable[[HttpRequest], HttpResponse]

_SEEN_TO_THE = timedelta(minutes=1)


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


class SeenMiddleware:
    """Notes whose each session is and where it was seen: at once when that is new, and when it was
    seen, to the minute.

    In place of allauth's own, which writes the row anew for every page.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated and request.session.session_key:
            _note(request)
        return self.get_response(request)


def _note(request: HttpRequest) -> None:
    seen = {
        "user_id": request.user.pk,
        "ip": get_adapter().get_client_ip(request),
        "user_agent": request.headers.get("User-Agent", "")[:HTTP_USER_AGENT_MAX_LENGTH],
    }
    key, now = request.session.session_key, timezone.now()
    known = UserSession.objects.filter(session_key=key).values("last_seen_at", *seen)
    for row in known:
        if row.pop("last_seen_at") > now - _SEEN_TO_THE and row == seen:
            return
    UserSession.objects.bulk_create(  # in one statement, whoever else notes it at this moment
        [UserSession(session_key=key, last_seen_at=now, **seen)],
        update_conflicts=True,
        unique_fields=["session_key"],
        update_fields=["last_seen_at", *seen],
    )
