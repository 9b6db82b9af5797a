"""The staff's button on an endpoint."""

from django.http import HttpResponse

from accounts.requests import SignedInRequest
from portal.admin_buttons import confirm
from portal.webhooks import services
from portal.webhooks.models import Endpoint


def disable_endpoint(request: SignedInRequest, endpoint: Endpoint) -> HttpResponse:
    return confirm(
        request,
        endpoint,
        title=f"Switch off {endpoint.ref}?",
        template="admin/webhooks/disable_endpoint.html",
        act=lambda: services.disable_endpoint(endpoint_id=endpoint.pk, by=request.user),
        done=f"{endpoint.ref} is switched off.",
    )
