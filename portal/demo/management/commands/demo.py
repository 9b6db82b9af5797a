"""manage.py demo: load the demo programme into an empty database."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from portal.demo import guard


class Command(BaseCommand):
    help = "Load the demo programme (only with DEMO=1): people, applications in every state, keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="load nothing; end with 1 when the database is none that the demo may go into",
        )

    def handle(self, **options: Any) -> None:
        guard.refuse_unless_demo()
        guard.refuse_what_is_not_ours()
        if options["check"]:
            return
        # The refusals come first where production did not install what loading needs.
        from portal.demo import files  # noqa: PLC0415 - as above
        from portal.demo.loading import load_demo  # noqa: PLC0415 - needs time-machine

        if guard.is_demo():
            anew = files.write_anew_if_missing()
            told = "its files are written anew" if anew else "nothing was changed"
            self.stdout.write(f"The demo programme is there already; {told}.")
            return
        # Nobody is rung while the history is made: each step a worker would do is done in it.
        settings.DOORBELL = False
        with transaction.atomic():
            known = load_demo()
        files.write(*known)
        self.stdout.write("The demo programme is loaded.")
