"""Celery is the doorbell: unfinished rows in PostgreSQL are the queue (docs/adr/0001).

A lost, late or doubled message is therefore harmless: every task looks at its row again, and
`reconcile` rings once more for rows nobody has finished.
"""

import os
from logging.config import dictConfig
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init

from portal.checks import refuse_unsound_doorbell

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
# Celery has each worker and beat make Django's checks, for which it loads the code of every page,
# and then looks at no answer. Those of them that matter here are asked below.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Django's namespace does not reach this one. Without it Celery closes the database connection
# after every task, whatever CONN_MAX_AGE says.
app.conf["CELERY_DB_REUSE_MAX"] = 1000
app.autodiscover_tasks()


@setup_logging.connect
def _write_as_the_web_does(**_signal: Any) -> None:
    """Celery sets up no log of its own for a worker or beat when somebody else does."""
    from django.conf import settings  # noqa: PLC0415 - read when something starts, not on import

    dictConfig(settings.LOGGING)


@worker_init.connect
def _watch_over_tasks(**_signal: Any) -> None:
    from portal import worker  # noqa: PLC0415 - models need Django set up

    worker.install()


@beat_init.connect
@worker_init.connect
def _refuse_unsound_doorbell(**_signal: Any) -> None:
    refuse_unsound_doorbell()


@beat_init.connect
@worker_init.connect
def _refuse_demo_accounts(**_signal: Any) -> None:
    """Worker and beat, too, stay away from a database with known passwords."""
    from portal.demo.guard import refuse_demo_accounts  # noqa: PLC0415 - models need Django set up

    refuse_demo_accounts()
