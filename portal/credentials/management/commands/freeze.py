"""manage.py freeze: stop access from a shell, when nothing but PostgreSQL answers.

It needs no web process, no worker and no broker. Exit codes: 0 it is so, 1 it was refused or the
database did not answer, 2 the line was wrong.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from accounts.models import User
from portal.credentials.enums import FreezeLevel
from portal.credentials.levels import standing_freezes, with_names, words_of
from portal.credentials.models import Freeze
from portal.credentials.services import ask_to_lift, place_freeze
from portal.errors import DomainError
from portal.request_id import in_a_shell


class Command(BaseCommand):
    help = (
        "Freeze access at one level; `--list` shows what is in force, `--lift FRZ-…` asks to lift."
        " A colleague then lifts it in the portal, after signing in again."
    )
    requires_system_checks = []  # on that day nothing else may stand in the way

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("level", nargs="?", choices=FreezeLevel.values)
        parser.add_argument(
            "target",
            nargs="?",
            default="",
            help="its reference, a person's address, or an organisation's whole name",
        )
        parser.add_argument("--reason", default="", help="for colleagues; partners never see it")
        parser.add_argument("--by", metavar="EMAIL", default="", help="who acts")
        other = parser.add_mutually_exclusive_group()
        other.add_argument("--list", action="store_true", help="show what is in force")
        other.add_argument("--lift", metavar="FRZ-…", default="", help="ask to lift this freeze")

    def handle(self, **options: Any) -> None:
        try:
            with in_a_shell():
                self._answer(**options)
        except DomainError as error:
            raise CommandError(error.message) from error
        except (DatabaseError, InterfaceError) as error:
            told = "PostgreSQL did not answer, so nothing was changed. Doors refuse without it."
            raise CommandError(told) from error

    def _answer(
        self, *, level: str | None, target: str, reason: str, by: str, lift: str, **options: Any
    ) -> None:
        if (level is not None) + bool(lift) + bool(options["list"]) != 1:
            told = "Give one of: a level to freeze, --list, --lift FRZ-…. See --help."
            raise CommandError(told, returncode=2)
        if options["list"]:
            self._list()
        elif lift:
            self._ask_to_lift(lift, _person(by))
        else:
            self._place(str(level), target, reason, _person(by))

    def _place(self, level: str, target: str, reason: str, by: User) -> None:
        freeze = _named(place_freeze(level=level, target=target, reason=reason, by=by))
        self.stdout.write(f"{freeze.ref} is in force: {_line(freeze)}")
        self.stdout.write(f"To lift it, two people: manage.py freeze --lift {freeze.ref} --by …")

    def _ask_to_lift(self, ref: str, by: User) -> None:
        freeze = Freeze.objects.filter(ref=ref.strip().upper()).first()
        if freeze is None:
            raise CommandError(f"There is no freeze {ref}. See --list.")
        ask_to_lift(freeze_id=freeze.pk, by=by)
        self.stdout.write(f"Asked. {freeze.ref} stays in force: {_line(_named(freeze))}")
        self.stdout.write("A colleague lifts it in the admin, under Freezes.")

    def _list(self) -> None:
        standing = standing_freezes()
        for freeze in standing:
            self.stdout.write(f"{freeze.ref}  {_line(freeze)}")
        self.stdout.write(f"{len(standing)} in force.")


def _person(email: str) -> User:
    if not email:
        raise CommandError("Say who acts: --by EMAIL.", returncode=2)
    person = User.objects.filter(email=email.strip().lower()).first()
    if person is None:
        raise CommandError(f"Nobody is known as {email}. Nothing was changed.")
    return person


def _named(freeze: Freeze) -> Any:
    return with_names(Freeze.objects.filter(pk=freeze.pk)).get()


def _line(freeze: Any) -> str:
    since = f"{freeze.placed_at:%Y-%m-%d %H:%M:%S} UTC"
    asked = ", lift asked for" if freeze.lift_asked_at else ""
    target = f" ({freeze.target})" if freeze.target else ""
    return f"{words_of(freeze)}{target}, since {since}, placed by {freeze.author}{asked}"
