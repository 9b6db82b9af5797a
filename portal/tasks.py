"""Celery leaves that belong to no app."""

from celery import shared_task

from portal.audit.services import System
from portal.cached import forget_expired
from portal.credentials.services import forget_epochs, forget_reports


@shared_task(name="portal.forget_expired")
def forget() -> None:
    """Every minute; rows past a batch go with the next run."""
    forget_expired()
    forget_epochs(by=System("clock"))
    forget_reports(by=System("clock"))
