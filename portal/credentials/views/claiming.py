"""From a slot to a key."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts.reauthentication import fresh_sign_in_required
from accounts.requests import SignedInRequest, posted
from portal.credentials.forms import KeyForm
from portal.credentials.policies import can_claim_credential
from portal.credentials.services import claim_credential
from portal.credentials.views.reaching import visible_key
from portal.credentials.views.showing import show_once
from portal.private import private_page
from portal.throttle import throttle


@throttle("claim", "10/h")
@private_page
@fresh_sign_in_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("minted")
def claim(request: SignedInRequest, kid: str) -> HttpResponse:
    """GET explains; POST shows the key, in that one answer and never again.

    Sent a second time, the service refuses with Conflict and tells the holder.
    """
    credential = visible_key(request, kid)
    form = KeyForm(posted(request), scopes=sorted(credential.scopes))
    if request.method == "POST" and form.is_valid():
        minted = claim_credential(kid=kid, by=request.user, **form.cleaned_data)
        credential.refresh_from_db(fields=["status", "scopes", "expires_at"])
        return show_once(request, credential, minted.token)
    context = {
        "credential": credential,
        "grant": credential.grant,
        "verdict": can_claim_credential(request.user, credential),
        "form": form,
    }
    return render(request, "credentials/claim.html", context, status=400 if form.errors else 200)
