"""Signing the terms in force, for those who hold a key already."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.requests import SignedInRequest, posted
from portal.errors import Conflict
from portal.private import private_page
from portal.programs.forms import SignatureForm
from portal.programs.selectors import current_agreement, published_releases
from portal.programs.services import sign_agreement
from portal.throttle import throttle


@throttle("sign", "30/h")
@private_page
@require_http_methods(["GET", "HEAD", "POST"])
def terms(request: SignedInRequest, slug: str) -> HttpResponse:
    """The newest terms: keys of those who have not signed them are refused until they do."""
    release = get_object_or_404(published_releases(), slug=slug)
    agreement = current_agreement(release)
    if agreement is None:
        raise Http404
    form, refusal = SignatureForm(posted(request), agreement=agreement), None
    if request.method == "POST" and form.is_valid():
        try:
            sign_agreement(agreement_id=agreement.pk, by=request.user, **form.cleaned_data)
        except Conflict as changed:
            refusal, form = changed, form.again()
        else:
            messages.success(request, "Signed. Your keys are judged by the new terms from now on.")
            return redirect("terms", slug)
    context = {
        "release": release,
        "agreement": agreement,
        "signature": agreement.signatures.filter(user=request.user).first(),
        "form": form,
        "refusal": refusal,
    }
    status = refusal.status if refusal else 200
    return render(request, "programs/terms.html", context, status=status)
