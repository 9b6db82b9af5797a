"""manage.py make_signing_key: a fresh key for SIGNING_KEYS, printed and stored nowhere."""

from typing import Any

from django.core.management.base import BaseCommand

from portal.variables import new_signing_key


class Command(BaseCommand):
    help = "Print a fresh key for SIGNING_KEYS. Append it; move it to the front later."
    requires_system_checks = []

    def handle(self, **options: Any) -> None:
        self.stdout.write(new_signing_key())
