"""manage.py make_staff: the first staff of an installation, and help when nobody can sign in."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.enums import StaffRole
from accounts.services import make_staff
from portal.audit.services import System
from portal.errors import DomainError


class Command(BaseCommand):
    help = "Give a person exactly these staff roles; makes the account if there is none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", required=True, help="as colleagues will read it")
        parser.add_argument(
            "--role",
            action="append",
            required=True,
            choices=StaffRole.values,
            help="may be given several times",
        )

    def handle(self, *, email: str, name: str, role: list[str], **options: Any) -> None:
        try:
            user = make_staff(email=email, name=name, roles=role, by=System("shell"))
        except DomainError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"{user.email} ({user.ref}) is staff: {', '.join(sorted(role))}.")
        if not user.has_usable_password():
            self.stdout.write("A password is set through “Forgot your password?” at sign-in.")
