"""manage.py states: write docs/states.md anew."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.state_pages import states_page


class Command(BaseCommand):
    help = "Write docs/states.md from the state machines."

    def handle(self, **options: Any) -> None:
        (settings.BASE_DIR / "docs" / "states.md").write_text(states_page())
