"""What a process has in it once it has started."""

import subprocess
import sys

import pytest

from tests.processes import portal_environment

LOOK = """
import gc, sys
from portal.celery import app
app.loader.import_default_modules()
print("mail.reconcile" in app.tasks, {"portal.urls", "portal.mail.admin"} & {*sys.modules})
print(gc.isenabled(), gc.get_freeze_count() > 50_000)

from django.contrib import admin
from django.core.checks import run_checks
print(run_checks(tags=["admin"]), len(admin.site._registry) > 10, "portal.urls" in sys.modules)

import portal.wsgi
print("portal.urls" in sys.modules)
"""


@pytest.mark.django_db(transaction=True)
def test_a_worker_loads_its_tasks_and_no_page_and_the_collector_looks_at_none_of_it():
    """Staff's pages are loaded by whoever asks what is wrong with them, and all pages by a web
    process before anybody asks for one.
    """
    command = [sys.executable, "-c", LOOK]
    done = subprocess.run(
        command, env=portal_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    said = ["True set()", "True True", "[] True False", "True"]
    assert done.stdout.splitlines() == said, done.stderr
