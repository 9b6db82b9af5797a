"""`manage.py peppers`: what is still hashed under which pepper, and which can go."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal.gateway.pepper_report import Version, versions


class Command(BaseCommand):
    help = (
        "Say how many live keys and gateways are hashed under each version of CREDENTIAL_PEPPERS."
        " Ends with 0 when only the one that hashes is in use, else with 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="end with 1 only when something in use refers to a version that is not configured;"
            " run it with the new value before a pepper is taken away",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        found = versions()
        for version in found:
            self.stdout.write(f"{version.words}. {_advice(version)}")
        if options["check"]:
            wrong = any(version.is_missing for version in found)
        else:
            wrong = any(version.is_used and not version.is_current for version in found)
        if wrong:
            raise SystemExit(1)


def _advice(version: Version) -> str:
    if version.is_missing:
        return "NOT CONFIGURED: they are refused. Put it back into CREDENTIAL_PEPPERS."
    if version.is_current:
        return "Listed first: it hashes what is new."
    if version.is_announced:
        return "Announced: list it first once every process knows it."
    if version.is_used:
        return "Keep it: what is used moves on by itself, the rest expires or is replaced."
    return "Not in use: it can be taken out of CREDENTIAL_PEPPERS."
