"""Settings that lose the messages of a killed worker; see test_checks.py."""

from portal.settings import *  # noqa: F403 - all but one are as they should be

CELERY_TASK_ACKS_LATE = False
