"""The one answer that holds a key: it is in no redirect, session or message, and nowhere after."""

import json
import shlex

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_variables

from accounts.requests import SignedInRequest
from portal.credentials.models import Credential

SANDBOX_PATH = "/sandbox/v1/responses"
USUAL_SCOPE = "model:infer"  # what the sandbox asks for when a call names no capability


@sensitive_variables()
def show_once(request: SignedInRequest, credential: Credential, token: str) -> HttpResponse:
    """Only to a POST, and from a private page, which no browser keeps."""
    context = {"credential": credential, "token": token, "curl": _curl(credential, token)}
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
