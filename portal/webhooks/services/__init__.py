"""Every write of webhooks: what partners do with endpoints, what is queued, what is delivered."""

from portal.webhooks.services.delivering import deliver_event, reconcile_webhooks
from portal.webhooks.services.holding import hold_events, release_events
from portal.webhooks.services.managing import (
    add_endpoint,
    disable_endpoint,
    remove_endpoint,
    switch_off_endpoint,
    switch_on_endpoint,
)
from portal.webhooks.services.queueing import queue_event, resend_delivery, send_ping

__all__ = [
    "add_endpoint",
    "deliver_event",
    "disable_endpoint",
    "hold_events",
    "queue_event",
    "reconcile_webhooks",
    "release_events",
    "remove_endpoint",
    "resend_delivery",
    "send_ping",
    "switch_off_endpoint",
    "switch_on_endpoint",
]
