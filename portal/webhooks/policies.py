"""Who may do what with webhooks, now. Order: role, relation, state."""

from accounts.models import Organization, User
from accounts.policies import account_in_good_standing, is_staff_with, runs_integrations
from portal.verdict import Verdict, allow, deny
from portal.webhooks.enums import DisabledReason
from portal.webhooks.models import Delivery, Endpoint

MOST_ENDPOINTS = 5
DISABLE = "webhooks.disable_endpoint"

_OFF_ALREADY = deny("already_off", "This endpoint is switched off already.")
_SWITCH_ON = deny("endpoint_off", "The endpoint is switched off. Switch it on first.")


def can_see_webhooks(user: User, organization: Organization) -> Verdict:
    """Owners and technical contacts; addresses are nobody else's business."""
    if not runs_integrations(user, organization):
        return deny("not_technical", "Ask an owner or a technical contact of the organisation.")
    return allow()


def can_add_endpoint(user: User, organization: Organization) -> Verdict:
    standing = _may_change(user, organization)
    if not standing:
        return standing
    if organization.suspended_at:
        return deny("organization_suspended", "The organisation is suspended; write to us first.")
    if organization.webhooks.count() >= MOST_ENDPOINTS:
        return deny(
            "too_many_endpoints",
            f"There are {MOST_ENDPOINTS} endpoints, the most there can be. Remove one first.",
        )
    return allow()


def can_send_ping(user: User, endpoint: Endpoint) -> Verdict:
    standing = _may_change(user, endpoint.organization)
    if not standing:
        return standing
    return allow() if endpoint.is_on else _SWITCH_ON


def can_resend_delivery(user: User, delivery: Delivery) -> Verdict:
    standing = can_send_ping(user, delivery.endpoint)
    if not standing:
        return standing
    if not delivery.dead_at:
        return deny("not_dead", "Only an event that was given up is sent again.")
    return allow()


def can_switch_off(user: User, endpoint: Endpoint) -> Verdict:
    standing = _may_change(user, endpoint.organization)
    if not standing:
        return standing
    return allow() if endpoint.is_on else _OFF_ALREADY


def can_switch_on(user: User, endpoint: Endpoint) -> Verdict:
    standing = _may_change(user, endpoint.organization)
    if not standing:
        return standing
    if endpoint.is_on:
        return deny("already_on", "This endpoint is switched on already.")
    if endpoint.disabled_reason == DisabledReason.BY_STAFF:
        return deny("off_by_staff", "The programme switched it off. Write to us to have it back.")
    return allow()


def can_remove_endpoint(user: User, endpoint: Endpoint) -> Verdict:
    return _may_change(user, endpoint.organization)


def can_disable_endpoint(user: User, endpoint: Endpoint) -> Verdict:
    """The staff's button. Off for another reason is no hindrance: only staff's stays off."""
    if not is_staff_with(user, DISABLE):
        return deny("no_permission", "Your staff role does not include this.")
    if endpoint.disabled_reason == DisabledReason.BY_STAFF:
        return _OFF_ALREADY
    return allow()


def _may_change(user: User, organization: Organization) -> Verdict:
    standing = account_in_good_standing(user)
    return can_see_webhooks(user, organization) if standing else standing
