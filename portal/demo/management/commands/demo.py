"""manage.py demo: load the demo programme into an empty database."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from portal.demo import guard


class Command(BaseCommand):
    help = "Load the demo programme (only with DEMO=1): people, applications in every state, keys."

    def handle(self, **options: Any) -> None:
        guard.refuse_unless_demo()
        # The refusal comes first where production did not install what loading needs.
        from portal.demo.loading import load_demo  # noqa: PLC0415 - needs time-machine

        if guard.is_demo():
            self.stdout.write("The demo programme is there already; nothing was changed.")
            return
        # Nobody is rung while the history is made: each step a worker would do is done in it.
        settings.DOORBELL = False
        with transaction.atomic():
            load_demo()
        self.stdout.write("The demo programme is loaded.")
