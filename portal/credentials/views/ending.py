"""Revoking a key and giving a grant up, each with a page that asks once more."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.requests import SignedInRequest, posted
from portal.credentials.forms import RevokeForm
from portal.credentials.policies import can_withdraw_grant
from portal.credentials.services import revoke_credential, withdraw_grant
from portal.credentials.views.reaching import visible_grant, visible_key
from portal.private import private_page
from portal.throttle import throttle

_ANY = require_http_methods(["GET", "HEAD", "POST"])


@throttle("revoke", "60/h")
@private_page
@_ANY
def revoke(request: SignedInRequest, kid: str) -> HttpResponse:
    """Dead everywhere once this is answered. No fresh sign-in: a leaked key must die quickly."""
    credential = visible_key(request, kid)
    form = RevokeForm(posted(request))
    if request.method == "POST" and form.is_valid():
        revoke_credential(kid=kid, by=request.user, **form.cleaned_data)
        messages.success(request, f"Key {kid} is revoked. Every gateway refuses it from now on.")
        return redirect("credentials:access")
    context = {"credential": credential, "form": form}
    status = 400 if form.errors else 200
    return render(request, "credentials/revoke.html", context, status=status)


@throttle("give-up", "20/h")
@private_page
@_ANY
def give_up(request: SignedInRequest, ref: str) -> HttpResponse:
    """End a grant one no longer needs, and its keys with it."""
    grant = visible_grant(request, ref)
    if request.method == "POST":
        withdraw_grant(grant_id=grant.pk, by=request.user)
        messages.success(request, f"{ref} is given up, and its keys are dead.")
        return redirect("credentials:access")
    can_withdraw_grant(request.user, grant).enforce()
    live = [key for key in grant.credentials.all() if key.is_live]
    return render(request, "credentials/give_up.html", {"grant": grant, "live": live})
