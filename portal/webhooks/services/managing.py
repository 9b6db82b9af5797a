"""What partners and staff do with endpoints. Every change locks the endpoint."""

from django.db import transaction
from django.utils import timezone

from accounts.models import Organization, User
from portal.audit.services import Actor, record_event
from portal.errors import Invalid
from portal.webhooks import notices, policies, targets
from portal.webhooks.enums import DisabledReason
from portal.webhooks.models import Endpoint

_OFF = "The endpoint was switched off."


@transaction.atomic
def add_endpoint(*, organization_id: int, url: str, by: User) -> Endpoint:
    """Register an address. Its network address is looked at whenever we connect, not here."""
    organization = Organization.objects.select_for_update().get(pk=organization_id)
    policies.can_add_endpoint(by, organization).enforce()
    try:
        targets.read_url(url)
    except targets.Refused as refused:
        raise Invalid("address_refused", str(refused), {"url": str(refused)}) from None
    if organization.webhooks.filter(url=url).exists():
        reason = "This address is registered already."
        raise Invalid("address_taken", reason, {"url": reason})
    endpoint = Endpoint.objects.create(organization=organization, url=url, created_by=by)
    _record("webhook.added", endpoint, by=by)
    return endpoint


@transaction.atomic
def switch_off_endpoint(*, endpoint_id: int, by: User) -> Endpoint:
    endpoint = _locked(endpoint_id)
    policies.can_switch_off(by, endpoint).enforce()
    switch_off(endpoint, reason=DisabledReason.BY_PARTNER, by=by)
    return endpoint


@transaction.atomic
def switch_on_endpoint(*, endpoint_id: int, by: User) -> Endpoint:
    """Tell it of what happens from now on; what was given up can be sent again, one by one."""
    endpoint = _locked(endpoint_id)
    policies.can_switch_on(by, endpoint).enforce()
    endpoint.disabled_at, endpoint.disabled_reason, endpoint.disabled_by = None, "", None
    endpoint.busy_until = None
    endpoint.save(update_fields=["disabled_at", "disabled_reason", "disabled_by", "busy_until"])
    _record("webhook.switched_on", endpoint, by=by)
    return endpoint


@transaction.atomic
def remove_endpoint(*, endpoint_id: int, by: User) -> None:
    """Forget the address and all that was to be told there. The log keeps that it was there."""
    endpoint = (
        Endpoint.objects.select_for_update(of=("self",))
        .select_related("organization")
        .get(pk=endpoint_id)
    )
    policies.can_remove_endpoint(by, endpoint).enforce()
    _record("webhook.removed", endpoint, by=by)
    endpoint.delete()


@transaction.atomic
def disable_endpoint(*, endpoint_id: int, by: User) -> Endpoint:
    """Staff switch it off; the organisation cannot switch it on again, and is told."""
    endpoint = _locked(endpoint_id)
    policies.can_disable_endpoint(by, endpoint).enforce()
    switch_off(endpoint, reason=DisabledReason.BY_STAFF, by=by)
    return endpoint


def switch_off(endpoint: Endpoint, *, reason: DisabledReason, by: Actor) -> None:
    """Inside a service's transaction, the endpoint's row locked. What waits is given up, visibly.

    Told by mail unless the organisation did it itself.
    """
    now = timezone.now()
    endpoint.disabled_at, endpoint.disabled_reason = now, reason
    endpoint.disabled_by = by if isinstance(by, User) else None
    endpoint.busy_until = None
    endpoint.save(update_fields=["disabled_at", "disabled_reason", "disabled_by", "busy_until"])
    endpoint.deliveries.filter(delivered_at=None, dead_at=None).update(dead_at=now, last_error=_OFF)
    _record("webhook.switched_off", endpoint, by=by, reason=reason.value)
    if reason != DisabledReason.BY_PARTNER:
        notices.endpoint_switched_off(endpoint)


def _locked(endpoint_id: int) -> Endpoint:
    return (
        Endpoint.objects.select_for_update(of=("self",), no_key=True)
        .select_related("organization")
        .get(pk=endpoint_id)
    )


def _record(kind: str, endpoint: Endpoint, *, by: Actor, **payload: str) -> None:
    record_event(
        kind, subject=endpoint.ref, thread=endpoint.organization.ref, by=by, payload=payload
    )
