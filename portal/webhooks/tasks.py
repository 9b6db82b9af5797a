"""Celery leaves: ids in, one service call, safe to run twice, at once and late."""

from celery import shared_task


# On a queue of its own, with workers of its own (CELERY_TASK_ROUTES): partners' servers may be as
# slow as they like without a key waiting. Our own end of time comes first; these are behind it.
@shared_task(name="webhooks.deliver", soft_time_limit=18, time_limit=25)
def deliver(delivery_id: int) -> None:
    from portal.webhooks.services import deliver_event  # noqa: PLC0415 - the task's one service

    deliver_event(delivery_id=delivery_id)


@shared_task(name="webhooks.reconcile")
def reconcile() -> None:
    from portal.webhooks.services import (  # noqa: PLC0415 - the task's one service
        reconcile_webhooks,
    )

    reconcile_webhooks()
