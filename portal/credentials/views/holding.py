"""The access page: grants and keys, what is desired beside what is enforced."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.requests import SignedInRequest, posted
from portal.applications.enums import ApplicationStatus
from portal.applications.selectors import own_applications
from portal.credentials.forms import CheckForm, NameForm
from portal.credentials.holdings import ADVICE, holdings
from portal.credentials.models import Credential
from portal.credentials.policies import can_rename_credential
from portal.credentials.selectors import visible_grants
from portal.credentials.services import rename_credential, request_credential
from portal.credentials.verification import explain
from portal.credentials.views.reaching import visible_grant, visible_key
from portal.private import form_of, private_page
from portal.throttle import throttle

A_PAGE = 10


@private_page
@require_safe
def access(request: SignedInRequest) -> HttpResponse:
    """Grants and keys; while something is being prepared, script asks again by itself."""
    page = Paginator(visible_grants(request.user), A_PAGE).get_page(request.GET.get("page"))
    held = holdings(page, request.user)
    context = {
        "page": page,
        "holdings": held,
        "preparing": any(each.preparing for each in held),
        "offers": own_applications(request.user).filter(status=ApplicationStatus.APPROVED),
    }
    return render(request, "credentials/access.html", context)


@private_page
@require_safe
def check(request: SignedInRequest) -> HttpResponse:
    """What a gateway would say to one of one's keys, and why. Nothing secret is asked for."""
    grants = list(visible_grants(request.user).prefetch_related("phase__capabilities"))
    credentials = [key for grant in grants for key in grant.credentials.all()]
    scopes = {capability.scope for grant in grants for capability in grant.phase.capabilities.all()}
    form = CheckForm(
        request.GET if {"kid", "scope"} & request.GET.keys() else None,
        credentials=credentials,
        scopes=sorted(scopes | {scope for grant in grants for scope in grant.scopes}),
    )
    context: dict[str, Any] = {"form": form, "has_keys": bool(credentials)}
    if form.is_bound and form.is_valid():
        context |= _explained(credentials, **form.cleaned_data)
    return render(request, "credentials/check.html", context)


def _explained(credentials: list[Credential], *, kid: str, scope: str) -> dict[str, Any]:
    verdict = explain(kid, scope=scope or None)
    return {
        "key": next(key for key in credentials if key.kid == kid),
        "scope": scope,
        "verdict": verdict,
        "advice": ADVICE.get(verdict.code, ""),
    }


@throttle("request-key", "20/h")
@private_page
@form_of("credentials:access")
def request_key(request: SignedInRequest, ref: str) -> HttpResponse:
    """Ask for one more key under a grant; a worker prepares it."""
    grant = visible_grant(request, ref)
    request_credential(grant_id=grant.pk, by=request.user)
    messages.success(request, "Another key is being prepared. This takes a few seconds.")
    return redirect("credentials:access")


@throttle("rename-key", "60/h")
@private_page
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: SignedInRequest, kid: str) -> HttpResponse:
    """What people call the key; it changes nothing about what it may do."""
    credential = visible_key(request, kid)
    form = NameForm(posted(request), initial={"name": credential.name})
    if request.method == "POST" and form.is_valid():
        rename_credential(kid=kid, by=request.user, **form.cleaned_data)
        messages.success(request, f"Key {kid} has its new name.")
        return redirect("credentials:access")
    can_rename_credential(request.user, credential).enforce()
    context = {"credential": credential, "form": form}
    return render(request, "credentials/rename.html", context, status=400 if form.errors else 200)
