"""The staff's site: Django's own admin, entered through our sign-in."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.decorators import secure_admin_login
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode

from portal.credentials.contained import contained_cases
from portal.credentials.levels import standing_freezes

# Recovery codes stand in for one of these; alone they are no second factor.
_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]


class PortalAdminSite(AdminSite):
    site_header = site_title = settings.PORTAL_NAME
    index_title = "Overview"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """With what every staff page must tell of: read once, and only by a page that is drawn."""
        context = super().each_context(request)
        if self.has_permission(request):
            context["freezes"] = SimpleLazyObject(standing_freezes)
            context["contained"] = SimpleLazyObject(contained_cases)
        return context

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff in good standing; where settings say so, with a second factor used in this
        session.
        """
        if not _is_staff(request):
            return False
        return not settings.STAFF_MFA_REQUIRED or (
            is_mfa_enabled(request.user, _FACTORS) and _used_second_factor(request)
        )

    def password_change(  # type: ignore[override]  # it redirects
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Passwords are changed in one place, which asks again who it is, limits guessing, tells
        the log and sends a mail. Whatever was posted here is not looked at.
        """
        return HttpResponseRedirect(reverse("account_change_password"))

    def password_change_done(  # type: ignore[override]  # likewise
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_change_password"))

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """No field of ours asks for it. Django's lists whatever any table points at, past what a
        list leaves out for its reader's ties.
        """
        raise Http404

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Sign-in, rate limits and second factors are allauth's; there is one entrance. Whoever
        is signed in and still comes here lacks something: say what, and never ask in a circle.
        """
        if not request.user.is_authenticated:
            return secure_admin_login(super().login)(request, extra_context)
        if not _is_staff(request):
            raise PermissionDenied
        following = get_next_redirect_url(request) or reverse("admin:index")
        if self.has_permission(request):
            return HttpResponseRedirect(following)
        if not is_mfa_enabled(request.user, _FACTORS):
            return render(request, "admin/second_factor_needed.html", status=403)
        return HttpResponseRedirect(_ask_for_factor(request, following))


def _is_staff(request: HttpRequest) -> bool:
    user = request.user
    return bool(user.is_active and user.is_staff and user.suspended_at is None)


def _used_second_factor(request: HttpRequest) -> bool:
    """Whether this very session was proved by a second factor, a recovery code or a passkey."""
    return any(
        record.get("method") == "mfa"
        for record in get_authentication_records(request, request.user)
    )


def _ask_for_factor(request: HttpRequest, following: str) -> str:
    """The page that asks for the factor this person has, and leads on from there."""
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    page = next(method for method in methods if method["id"].startswith("mfa"))["url"]
    return f"{page}?{urlencode({'next': following})}"
