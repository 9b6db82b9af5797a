"""The Trusted Access Portal: apply, approve, issue, verify, revoke."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
