"""manage.py demo: load the demo programme into an empty database; safe to call again."""

from typing import Any

from django.conf import settings
from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from portal.checks import DOORBELL
from portal.demo import guard


class Command(BaseCommand):
    help = "Load the demo programme (only with DEMO=1): people, applications in every state, keys."
    # Those of pages load them all, for which `make run` would wait each time.
    requires_system_checks = [Tags.database, Tags.models, DOORBELL]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--migrate",
            action="store_true",
            help="First bring the tables up to date, once it is clear that this database may be a "
            "demo's.",
        )

    def handle(self, *, migrate: bool, **options: Any) -> None:
        guard.refuse_unless_demo()
        guard.refuse_what_is_not_ours()
        if migrate:
            call_command("migrate", verbosity=0)
        # Nobody is rung while the history is made: each step a worker would do is done in it.
        settings.DOORBELL = False
        self._complete_folder(self._load_once())

    def _load_once(self) -> tuple[str, str] | None:
        """What load_demo returns; None if it was loaded before. The database is asked, under a
        lock: no file can tell.
        """
        # The refusals come first where production did not install what loading needs.
        from portal.demo.loading import load_demo  # noqa: PLC0415 - needs time-machine

        with transaction.atomic():
            guard.let_nobody_in()
            if guard.is_demo():
                return None
            guard.refuse_what_is_not_ours()
            self.stdout.write("Loading the demo programme ...")
            self.stdout.flush()
            return load_demo()

    def _complete_folder(self, known: tuple[str, str] | None) -> None:
        from portal.demo.files import complete_folder  # noqa: PLC0415 - as above

        new = complete_folder(known)
        if known:
            self.stdout.write("The demo programme is loaded.")
        elif new:
            self.stdout.write(
                f"The demo programme is in this database already. {settings.DATA_DIR} had no "
                "credentials for its sandbox here: it has new ones. Keys that were claimed with "
                "other CREDENTIAL_PEPPERS than it has now do not work here."
            )
        else:
            self.stdout.write("The demo programme is there already; nothing was changed.")
