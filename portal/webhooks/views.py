"""An organisation's webhooks: its endpoints, and what was told to each."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import Organization
from accounts.requests import SignedInRequest, posted
from portal.errors import DomainError
from portal.form_errors import tell
from portal.private import form_of, private_page
from portal.throttle import throttle
from portal.webhooks import policies, selectors, services, signing
from portal.webhooks.forms import EndpointForm
from portal.webhooks.models import Endpoint
from portal.webhooks.snippet import snippet

_get_or_post = require_http_methods(["GET", "HEAD", "POST"])
_form = form_of("webhooks:endpoint", "ref", "endpoint_ref")


@throttle("webhooks", "20/h")
@private_page
@_get_or_post
def endpoints(request: SignedInRequest, ref: str) -> HttpResponse:
    organization = _organization(request, ref)
    form = EndpointForm(posted(request))
    status = 200 if form.is_valid() or not form.is_bound else 400
    if form.is_valid():
        try:
            made = services.add_endpoint(
                organization_id=organization.pk, by=request.user, **form.cleaned_data
            )
        except DomainError as error:
            status = tell(form, error)
        else:
            messages.success(request, "Registered. Send a test event to see whether it arrives.")
            return redirect("webhooks:endpoint", ref=ref, endpoint_ref=made.ref)
    page = {
        "organization": organization,
        "endpoints": selectors.endpoints_of(organization),
        "form": form,
        "can_add": policies.can_add_endpoint(request.user, organization),
    }
    return render(request, "webhooks/endpoints.html", page, status=status)


@private_page
@_get_or_post
def endpoint(request: SignedInRequest, ref: str, endpoint_ref: str) -> HttpResponse:
    found, user = _endpoint(request, ref, endpoint_ref), request.user
    keys = signing.public_keys()
    page = {
        "organization": found.organization,
        "endpoint": found,
        "deliveries": selectors.latest_deliveries(found),
        "public_keys": keys,
        "snippet": snippet(keys),
        "can_ping": policies.can_send_ping(user, found),
        "can_switch_on": policies.can_switch_on(user, found),
        "can_switch_off": policies.can_switch_off(user, found),
        "can_remove": policies.can_remove_endpoint(user, found),
    }
    return render(request, "webhooks/endpoint.html", page)


@throttle("webhook_test", "30/h")
@private_page
@_form
def send_ping(request: SignedInRequest, ref: str, endpoint_ref: str) -> HttpResponse:
    found = _endpoint(request, ref, endpoint_ref)
    sent = services.send_ping(endpoint_id=found.pk, by=request.user)
    messages.success(request, f"Test event {sent.ref} is on its way. Reload to see it arrive.")
    return redirect("webhooks:endpoint", ref=ref, endpoint_ref=endpoint_ref)


@throttle("webhook_switch", "60/h")
@private_page
@_form
def switch_on(request: SignedInRequest, ref: str, endpoint_ref: str) -> HttpResponse:
    found = _endpoint(request, ref, endpoint_ref)
    services.switch_on_endpoint(endpoint_id=found.pk, by=request.user)
    messages.success(request, "Switched on. It is told of what happens from now on.")
    return redirect("webhooks:endpoint", ref=ref, endpoint_ref=endpoint_ref)


@throttle("webhook_switch", "60/h")
@private_page
@_form
def switch_off(request: SignedInRequest, ref: str, endpoint_ref: str) -> HttpResponse:
    found = _endpoint(request, ref, endpoint_ref)
    services.switch_off_endpoint(endpoint_id=found.pk, by=request.user)
    messages.success(request, "Switched off. Nothing is sent there until you switch it on.")
    return redirect("webhooks:endpoint", ref=ref, endpoint_ref=endpoint_ref)


@throttle("webhook_switch", "60/h")
@private_page
@_get_or_post
def remove(request: SignedInRequest, ref: str, endpoint_ref: str) -> HttpResponse:
    found = _endpoint(request, ref, endpoint_ref)
    if request.method == "POST":
        services.remove_endpoint(endpoint_id=found.pk, by=request.user)
        messages.success(request, "The endpoint is removed.")
        return redirect("webhooks:endpoints", ref=ref)
    policies.can_remove_endpoint(request.user, found).enforce()
    page = {"organization": found.organization, "endpoint": found}
    return render(request, "webhooks/remove.html", page)


@throttle("webhook_resend", "60/h")
@private_page
@_form
def resend(
    request: SignedInRequest, ref: str, endpoint_ref: str, delivery_ref: str
) -> HttpResponse:
    found = _endpoint(request, ref, endpoint_ref)
    delivery = get_object_or_404(found.deliveries, ref=delivery_ref)
    services.resend_delivery(delivery_id=delivery.pk, by=request.user)
    messages.success(request, f"{delivery.ref} is on its way again.")
    return redirect("webhooks:endpoint", ref=ref, endpoint_ref=endpoint_ref)


def _organization(request: SignedInRequest, ref: str) -> Organization:
    """The organisation, or 404 alike for another's, for none, and for colleagues whose business
    this is not.
    """
    organization = get_object_or_404(Organization, ref=ref)
    if not policies.can_see_webhooks(request.user, organization):
        raise Http404
    return organization


def _endpoint(request: SignedInRequest, ref: str, endpoint_ref: str) -> Endpoint:
    """Of this organisation only: another's reference in its address is not found."""
    organization = _organization(request, ref)
    return get_object_or_404(organization.webhooks.select_related("organization"), ref=endpoint_ref)
