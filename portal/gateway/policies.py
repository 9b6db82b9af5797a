"""Who may let a machine ask about keys, and stop it."""

from accounts.models import User
from portal.gateway.models import Gateway
from portal.verdict import Verdict, allow, deny

MANAGE = "gateway.manage_gateways"


def can_register_gateway(user: User) -> Verdict:
    if not user.has_perm(MANAGE):
        return deny("no_permission", "Ask a programme manager or an incident responder.")
    return allow()


def can_rotate_gateway_secret(user: User, gateway: Gateway) -> Verdict:
    return _can_change(user, gateway)


def can_disable_gateway(user: User, gateway: Gateway) -> Verdict:
    return _can_change(user, gateway)


def _can_change(user: User, gateway: Gateway) -> Verdict:
    if not user.has_perm(MANAGE):
        return deny("no_permission", "Ask a programme manager or an incident responder.")
    if gateway.disabled_at:
        return deny("gateway_disabled", "This gateway is disabled for good; register a new one.")
    return allow()
