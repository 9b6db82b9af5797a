"""Taking up an approval by signing the terms in force."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.requests import SignedInRequest, posted
from portal.applications.selectors import own_applications
from portal.credentials.policies import can_accept_offer
from portal.credentials.services import accept_offer
from portal.errors import DomainError
from portal.private import private_page
from portal.programs.forms import SignatureForm
from portal.programs.selectors import current_agreement
from portal.throttle import throttle


@throttle("offer", "30/h")
@private_page
@require_http_methods(["GET", "HEAD", "POST"])
def offer(request: SignedInRequest, ref: str) -> HttpResponse:
    """What was approved, the terms, and a name under them; then the grant opens."""
    application = get_object_or_404(own_applications(request.user), ref=ref)
    can_accept_offer(request.user, application).enforce()
    terms = current_agreement(application.phase.release)
    if terms is None:
        raise Http404
    form, refusal = SignatureForm(posted(request), agreement=terms), None
    if request.method == "POST" and form.is_valid():
        try:
            accept_offer(
                application_id=application.pk,
                agreement_id=terms.pk,
                by=request.user,
                **form.cleaned_data,
            )
        except DomainError as reason:
            refusal, form = reason, form.again()
        else:
            messages.success(request, "The place is yours. Your key is being prepared.")
            return redirect("credentials:access")
    context = {
        "application": application,
        "capabilities": application.phase.capabilities.filter(
            scope__in=application.approved_scopes
        ),
        "agreement": terms,
        "form": form,
        "refusal": refusal,
    }
    status = refusal.status if refusal else (400 if form.errors else 200)
    return render(request, "credentials/offer.html", context, status=status)
