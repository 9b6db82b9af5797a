"""The doors of gateways that judge tokens by themselves (docs/adr/0010)."""

import re

from django.http import HttpRequest, HttpResponse

from portal.gateway import answers, snapshot, statuslist
from portal.gateway.authentication import authenticate
from portal.gateway.views import CODE, machine, not_a_gateway

_NONCE = re.compile(r"[0-9A-Za-z_-]{16,64}")


@machine("snapshot")
def tell_snapshot(request: HttpRequest) -> HttpResponse:
    """What is frozen and what was revoked, signed, for this gateway and this question alone."""
    if request.method != "GET":
        return answers.wrong_method("GET")
    gateway = authenticate(request.META.get("HTTP_AUTHORIZATION"))
    if gateway is None:
        return not_a_gateway(request)
    nonces = request.GET.getlist("nonce")
    if len(nonces) != 1 or not _NONCE.fullmatch(nonces[0]):
        return answers.malformed(
            "Send one nonce: 16 to 64 letters, digits, _ or -, a new one each time."
        )
    text = snapshot.make(audience=gateway.audience, nonce=nonces[0])
    if text is None:
        request.META[CODE] = "unavailable"
        return answers.unavailable()
    request.META[CODE] = "allowed"
    return answers.signed(text, "application/jwt", keep="no-store")


@machine("status_list")
def tell_status_list(request: HttpRequest) -> HttpResponse:
    """Which keys are refused, by their places: draft-ietf-oauth-status-list-21, section 8."""
    if request.method not in {"GET", "HEAD"}:
        return answers.wrong_method("GET", "HEAD")
    if "time" in request.GET:  # section 8.4
        return answers.error(
            "not_implemented", "The list is told as it is now only; leave out time.", 501
        )
    text = statuslist.make()
    request.META[CODE] = "allowed"
    return answers.signed(
        text, "application/statuslist+jwt", keep=f"public, max-age={statuslist.TTL}"
    )


@machine("status_lists")
def tell_status_lists(request: HttpRequest) -> HttpResponse:
    """All lists there are, section 9 of the draft: one."""
    if request.method not in {"GET", "HEAD"}:
        return answers.wrong_method("GET", "HEAD")
    request.META[CODE] = "allowed"
    return answers.public({"status_lists": [statuslist.address()]})
