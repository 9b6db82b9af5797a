"""Keys that sandboxes alone take."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts.reauthentication import fresh_sign_in_required
from accounts.requests import SignedInRequest, posted
from portal.credentials.forms import KeyForm
from portal.credentials.policies import can_make_test_credential
from portal.credentials.services import make_test_credential
from portal.credentials.views.reaching import visible_grant
from portal.credentials.views.showing import show_once
from portal.private import private_page
from portal.throttle import throttle


@throttle("test-key", "10/h")
@private_page
@fresh_sign_in_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("minted")
def make_test_key(request: SignedInRequest, ref: str) -> HttpResponse:
    """GET explains; POST shows the key, in that one answer and never again."""
    grant = visible_grant(request, ref)
    form = KeyForm(posted(request), scopes=sorted(grant.scopes))
    if request.method == "POST" and form.is_valid():
        credential, minted = make_test_credential(
            grant_id=grant.pk, by=request.user, **form.cleaned_data
        )
        return show_once(request, credential, minted.token)
    context = {
        "grant": grant,
        "verdict": can_make_test_credential(request.user, grant),
        "form": form,
    }
    return render(request, "credentials/test_key.html", context, status=400 if form.errors else 200)
