"""One key in place of another."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts.reauthentication import fresh_sign_in_required
from accounts.requests import SignedInRequest, posted
from portal.credentials.forms import RotateForm
from portal.credentials.policies import can_rotate_credential
from portal.credentials.services import rotate_credential
from portal.credentials.views.reaching import visible_key
from portal.credentials.views.showing import show_once
from portal.private import private_page
from portal.throttle import throttle


@throttle("rotate", "10/h")
@private_page
@fresh_sign_in_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("minted")
def rotate(request: SignedInRequest, kid: str) -> HttpResponse:
    """GET explains; POST shows the new key, in that one answer and never again.

    There is no other way to rotate a key: whoever only has the key cannot make it another.
    """
    credential = visible_key(request, kid)
    form = RotateForm(
        posted(request),
        scopes=sorted(credential.scopes),
        initial={"name": credential.name},
    )
    if request.method == "POST" and form.is_valid():
        new, minted = rotate_credential(kid=kid, by=request.user, **form.cleaned_data)
        return show_once(request, new, minted.token)
    context = {
        "credential": credential,
        "grant": credential.grant,
        "verdict": can_rotate_credential(request.user, credential),
        "form": form,
    }
    return render(request, "credentials/rotate.html", context, status=400 if form.errors else 200)
