"""What staff have paused: events about one thing are held, and let go."""

from django.db import transaction

from portal.doorbell import ring_after_commit
from portal.webhooks import tasks
from portal.webhooks.models import Delivery


@transaction.atomic
def hold_events(*, about: str) -> None:
    """Keep back those that have not arrived. One that a worker speaks of now may still arrive."""
    Delivery.objects.filter(about=about, delivered_at=None, dead_at=None).update(held=True)


@transaction.atomic
def release_events(*, about: str) -> None:
    """Let go what is held, in the old order: whoever finishes one rings for the next."""
    held = Delivery.objects.filter(about=about, held=True)
    waiting = held.filter(delivered_at=None, dead_at=None)
    in_turn = waiting.order_by("endpoint_id", "next_attempt_at", "pk").distinct("endpoint_id")
    first = list(in_turn.values_list("pk", flat=True))
    held.update(held=False)
    for delivery_id in first:
        ring_after_commit(tasks.deliver, delivery_id)
