"""Celery leaves."""

from celery import shared_task

from portal.applications.services import expire_applications
from portal.audit.services import System


@shared_task(name="applications.expire")
def expire() -> None:
    """Hourly; rows past a batch go with the next run."""
    expire_applications(by=System("clock"))
