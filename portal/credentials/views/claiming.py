"""The one answer that holds a key."""

import json
import shlex

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts.reauthentication import fresh_sign_in_required
from accounts.requests import SignedInRequest
from portal.credentials.forms import ClaimForm
from portal.credentials.models import Credential
from portal.credentials.policies import can_claim_credential
from portal.credentials.services import claim_credential
from portal.credentials.views.reaching import visible_key
from portal.private import private_page
from portal.throttle import throttle

SANDBOX_PATH = "/sandbox/v1/responses"
USUAL_SCOPE = "model:infer"  # what the sandbox asks for when a call names no capability


@throttle("claim", "10/h")
@private_page
@fresh_sign_in_required
@require_http_methods(["GET", "HEAD", "POST"])
def claim(request: SignedInRequest, kid: str) -> HttpResponse:
    """GET explains; POST shows the key, in that one answer and never again.

    The key is in no redirect, session or message, and the answer is not stored (private_page).
    Sent a second time, the service refuses with Conflict and tells the holder.
    """
    credential = visible_key(request, kid)
    form = ClaimForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        return _shown_once(request, credential, form.cleaned_data["name"])
    context = {
        "credential": credential,
        "verdict": can_claim_credential(request.user, credential),
        "form": form,
    }
    return render(request, "credentials/claim.html", context, status=400 if form.errors else 200)


@sensitive_variables()
def _shown_once(request: SignedInRequest, credential: Credential, name: str) -> HttpResponse:
    minted = claim_credential(kid=credential.kid, by=request.user, name=name)
    credential.refresh_from_db()
    context = {
        "credential": credential,
        "token": minted.token,
        "curl": _curl(credential, minted.token),
    }
    return render(request, "credentials/claimed.html", context)


@sensitive_variables()
def _curl(credential: Credential, token: str) -> str:
    """A command that works as pasted; empty where there is no sandbox to call."""
    if not settings.SANDBOX_URL:
        return ""
    body = {"model": credential.grant.phase.release.slug, "input": "Hello"}
    if USUAL_SCOPE not in credential.scopes:
        body["capability"] = credential.scopes[0]
    return " \\\n  ".join(
        [
            f"curl {shlex.quote(settings.SANDBOX_URL.rstrip('/') + SANDBOX_PATH)}",
            f"-H 'Authorization: Bearer {token}'",
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(json.dumps(body))}",
        ]
    )
