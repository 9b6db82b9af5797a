"""Celery leaves that belong to no app."""

from celery import shared_task

from portal.cached import forget_expired


@shared_task(name="portal.forget_expired")
def forget() -> None:
    """Every minute; rows past a batch go with the next run."""
    forget_expired()
