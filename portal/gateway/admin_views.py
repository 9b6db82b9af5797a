"""The staff's buttons on gateways. A secret is in one answer, to a POST, and nowhere after it."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables

from accounts.requests import SignedInRequest, posted
from portal.admin_buttons import confirm, object_url
from portal.errors import Conflict
from portal.gateway import policies, services
from portal.gateway.forms import RegisterGatewayForm
from portal.gateway.models import Gateway


@never_cache
@sensitive_variables("secret")
def register_gateway(request: SignedInRequest) -> HttpResponse:
    """A form; its answer shows the secret. Sent again by a reload, the name is taken."""
    if not policies.can_register_gateway(request.user):
        raise PermissionDenied
    form = RegisterGatewayForm(posted(request))
    if form.is_valid():
        try:
            gateway, secret = services.register_gateway(
                release_id=form.cleaned_data["release"].pk,
                name=form.cleaned_data["name"],
                sandbox=form.cleaned_data["sandbox"],
                by=request.user,
            )
        except Conflict as error:
            form.add_error("name", error.message)
        else:
            return _show_once(request, gateway, secret, "Gateway registered")
    page = {"title": "Register a gateway", "opts": Gateway._meta, "form": form}
    page |= {"object_url": reverse("admin:gateway_gateway_changelist")}
    return _page(request, "admin/gateway/register_gateway.html", page)


@never_cache
@sensitive_variables("secret")
def rotate_gateway_secret(request: SignedInRequest, gateway: Gateway) -> HttpResponse:
    """Asks; the answer to the POST shows the new secret instead of going back."""
    if request.method == "POST":
        secret = services.rotate_gateway_secret(gateway_id=gateway.pk, by=request.user)
        return _show_once(request, gateway, secret, "New secret")
    return confirm(
        request,
        gateway,
        title=f"Replace the secret of {gateway}?",
        template="admin/gateway/rotate_gateway_secret.html",
        act=lambda: None,
        done="",
    )


def disable_gateway(request: SignedInRequest, gateway: Gateway) -> HttpResponse:
    return confirm(
        request,
        gateway,
        title=f"Disable {gateway}?",
        template="admin/gateway/disable_gateway.html",
        act=lambda: services.disable_gateway(gateway_id=gateway.pk, by=request.user),
        done=f"{gateway} is disabled: it is refused from now on.",
    )


def _show_once(request: SignedInRequest, gateway: Gateway, secret: str, title: str) -> HttpResponse:
    page = {"title": title, "opts": Gateway._meta, "object": gateway, "secret": secret}
    page |= {"object_url": object_url(gateway, "client_id")}
    return _page(request, "admin/gateway/secret.html", page)


def _page(request: SignedInRequest, template: str, page: dict[str, object]) -> HttpResponse:
    return TemplateResponse(request, template, {**admin.site.each_context(request), **page})
