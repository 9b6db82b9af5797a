"""What a process has in it once it has started."""

import subprocess
import sys

LOOK = """
import gc, sys
from portal.celery import app
app.loader.import_default_modules()
print("mail.reconcile" in app.tasks, "portal.urls" in sys.modules)
print(gc.isenabled(), gc.get_freeze_count() > 50_000)
"""


def test_a_worker_loads_its_tasks_and_no_page_and_the_collector_looks_at_none_of_it():
    command = [sys.executable, "-c", LOOK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["True False", "True True"]
