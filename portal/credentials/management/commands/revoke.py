"""manage.py revoke: look at many keys, contain them, revoke them, from a shell on the server."""

import shlex
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection
from django.template.defaultfilters import pluralize

from accounts.models import User
from portal.credentials import console, proof, services
from portal.credentials.console_arguments import (
    DONE,
    LET_THROUGH,
    NOTHING_HIT,
    REFUSED,
    SECOND_NEEDED,
    UNTOLD,
    act_of,
    add_acts,
    add_case,
    add_criteria,
    lines_of,
    must_be_a_new_case,
    selector_of,
    spared_of,
    usage,
    write_answers,
)
from portal.credentials.enums import RevocationStatus, Severity
from portal.credentials.headway import headway, is_told, is_under_way
from portal.credentials.lines import ODD, Line, Lines, counted, kids_of
from portal.credentials.models import Revocation
from portal.credentials.selectors import is_beyond_cap
from portal.errors import DomainError, NotAllowed
from portal.request_id import in_a_shell

SHOWN = 20  # odd lines

HELP = """
Look at many keys, contain them, revoke them. Nothing is revoked without --confirm.

  revoke --organization ORG-… --reason incident --by YOU     preview: a case and its digest
  revoke CASE-… --contain --by YOU                           refuse its keys for now, reversibly
  revoke CASE-… --confirm DIGEST --by YOU                    revoke them for ever
  revoke CASE-… --let-go --by YOU                            put the case away, nothing revoked
  revoke CASE-… --prove --by YOU                             what each gateway says of its keys
  revoke CASE-… --status                                     where it stands

Of the criteria every one that is given has to hold; given several times, as in --organization A
--organization B, one of these. --contain without a case makes the preview
and contains it at once. A shell can name anybody, so what takes a second person - to confirm a case
that is large or critical, to let contained keys go - that person does in the portal, signed in.
"""
EPILOG = """
It ends with
  0  done: shown, contained, let go; or the keys are dead, and everybody told unless --no-wait
  1  refused; nothing was changed
  2  usage
  3  nothing hit: no such key lives
  4  the keys are dead, but not everybody is told yet
  5  confirmed by one; nothing is revoked until a second person confirms
  6  a gateway still lets a key of the case through

The act is that of --by, who must be staff with the permission to revoke. It is in the event log
under their name, with a request id that begins with shell- and the system's user.
docs/incident.md walks through an incident.
"""


class Command(BaseCommand):
    help = HELP
    # Nothing may stand between a responder and this, least of all a setting somebody got wrong.
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        kwargs |= {"formatter_class": RawDescriptionHelpFormatter, "epilog": EPILOG}
        return super().create_parser(prog_name, subcommand, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("case", nargs="?", metavar="CASE-…", help="a case made before")
        parser.add_argument("--by", metavar="EMAIL", help="whose act this is")
        add_criteria(parser)
        add_case(parser)
        add_acts(parser)

    def handle(self, *, case: str | None = None, **options: Any) -> None:
        with in_a_shell(), _refusals():
            ended = self._known(case, options) if case else self._new(options)
        if ended:
            raise SystemExit(ended)

    # --- A new case -----------------------------------------------------------------------------
    def _new(self, options: dict[str, Any]) -> int:
        must_be_a_new_case(options)
        by, spared = _person(options["by"]), spared_of(options)
        lines = self._lines(options)
        case = services.preview_revocation(
            selector=selector_of(options, lines),
            reason=options["reason"],
            note=options["note"] or "",
            by=by,
            title=options["title"] or "",
            severity=options["severity"] or Severity.HIGH,
            exclusions=spared,
            rehearsal=options["rehearsal"],
            listed=lines,
        )
        if lines:
            self._tell_lines(lines.answers(kids_of(case), spared), lines, options)
        self._say(*console.preview(case))
        if options["contain"]:
            return self._contain(case, by)
        self._say("", f"Nothing is revoked. {console.minutes_left(case)} minutes are left to")
        self._say("stop them for now (one person, reversible):", _again(case, "--contain", by=by))
        self._say("revoke them for ever:", _confirming(case, by))
        return DONE

    def _lines(self, options: dict[str, Any]) -> Lines | None:
        lines = lines_of(options)
        if lines is None:
            return None
        answers = lines.answers()
        odd = [line for line in answers if line.answer in ODD]
        if odd and not options["skip_odd"]:
            self._tell_lines(answers, lines, options)
            are = f"{len(odd):,} of the lines {pluralize(len(odd), 'is,are')}"
            raise CommandError(
                f"{are} no key of ours. Nothing has happened. Correct the file, or leave those"
                " lines out with --skip-odd. (lines_odd)",
                returncode=REFUSED,
            )
        if not lines.known:
            # An empty list must never fall away and leave the other criteria to hit more.
            told = "The file names no key of ours. Nothing has happened. (nothing_hit)"
            raise CommandError(told, returncode=NOTHING_HIT)
        return lines

    def _tell_lines(self, answers: list[Line], lines: Lines, options: dict[str, Any]) -> None:
        for answer, count in counted(answers):
            self._say(f"{count:>9,} line{pluralize(count)}: {answer}")
        odd = [line for line in answers if line.answer in ODD]
        self._say(*(f"  {line.words}" for line in odd[:SHOWN]))
        if len(odd) > SHOWN:
            self._say(f"  and {len(odd) - SHOWN:,} more: --answers FILE writes all")
        if lines.whole_keys:
            held = f"{lines.whole_keys:,} line{pluralize(lines.whole_keys)}"
            self._say(f"! Whole keys in {held}. Destroy the file afterwards.")
        if options["answers"]:
            write_answers(options["answers"], answers)

    # --- A case made before ---------------------------------------------------------------------
    def _known(self, ref: str, options: dict[str, Any]) -> int:
        act = act_of(options)
        case = Revocation.objects.filter(ref=ref.upper()).first()
        if case is None:
            raise CommandError(f"There is no case {ref}. (no_such_case)", returncode=REFUSED)
        if act == "status":
            self._say(*console.standing(case))
            return self._ended(case)
        by = _person(options["by"])
        if act == "contain":
            return self._contain(case, by)
        if act == "confirm":
            return self._decide(case, by, options)
        return self._prove(case, by) if act == "prove" else self._other(case, by, act)

    def _contain(self, case: Revocation, by: User) -> int:
        case = services.contain_revocation(revocation_id=case.pk, by=by)
        self._say("", f"CONTAINED: every gateway refuses {console.keys(case.count)} from now on.")
        self._say(f"Not revoked. Decide until {console.at(case.expires_at)}.")
        self._say("revoke them for ever:", _confirming(case, by))
        self._say("let them go (somebody else, signed in):", f"  {console.page_of(case)}")
        return DONE

    def _prove(self, case: Revocation, by: User) -> int:
        services.prove_revocation(revocation_id=case.pk, by=by)
        doors = proof.door_proofs(case)
        self._say(*console.doors(doors))
        if not doors:
            self._say("No gateway is registered, so there is nobody to ask.")
        return DONE if all(door.is_zero for door in doors) else LET_THROUGH

    def _other(self, case: Revocation, by: User, act: str) -> int:
        act_of: dict[str, tuple[Callable[..., Revocation], str]] = {
            "let_go": (services.cancel_revocation, "is put away. Nothing was revoked."),
            "pause": (services.pause_revocation, "tells nobody for now. Its keys stay dead."),
            "resume": (services.resume_revocation, "goes on telling."),
        }
        service, told = act_of[act]
        if act == "let_go" and case.is_contained:
            raise NotAllowed(
                "in_the_portal",
                "A shell can name anybody, so keys that are contained are let go in the portal, by"
                f" somebody else than who contained them: {console.page_of(case)}",
            )
        self._say(f"{service(revocation_id=case.pk, by=by).ref} {told}")
        return DONE

    def _decide(self, case: Revocation, by: User, options: dict[str, Any]) -> int:
        count, word = self._typed(case, yes=options["yes"])
        case = services.start_revocation(
            revocation_id=case.pk,
            digest=options["confirm"].strip().lower(),
            typed_count=count,
            typed_word=word,
            beyond_cap=options["beyond_cap"],
            by=by,
        )
        if case.status == RevocationStatus.AWAITING_SECOND:
            self._say(f"{case.ref}: confirmed by {by.email}. NOTHING IS REVOKED YET.")
            self._say(f"A second person is needed until {console.at(case.expires_at)}, signed in:")
            self._say(f"  {console.page_of(case)}")
            return SECOND_NEEDED
        return self._dead(case, options)

    def _typed(self, case: Revocation, *, yes: bool) -> tuple[str, str]:
        """The count and word. Where nobody can be asked the digest alone binds the set."""
        word = services.word_of(case.digest)
        if yes or not sys.stdin.isatty():
            return str(case.count), word
        self._say(f"{case.ref}: {console.keys(case.count)}. {console.meant(case)}")
        try:
            return input(f"Type the number of keys ({case.count:,}): "), input(f"Type “{word}”: ")
        except (EOFError, KeyboardInterrupt):
            told = "Nothing was typed, so nothing was revoked. (not_confirmed)"
            raise CommandError(f"\n{told}", returncode=REFUSED) from None

    def _dead(self, case: Revocation, options: dict[str, Any]) -> int:
        self._say(f"{case.ref}: DEAD. Every gateway refuses {console.keys(case.count)} now,")
        self._say("whether or not any worker runs. What follows is telling their holders.")
        if options["no_wait"]:
            self._say(f"look again: {_again(case, '--status', by=None)}")
            return DONE
        watch = console.Watch(case, self._draw, options["wait"], self.stdout.isatty())
        try:
            watch.follow()
        except KeyboardInterrupt:
            connection.close()  # it was most likely in the middle of a statement
            self._say("", "You stopped looking; the keys stay dead, and workers go on.")
        case.refresh_from_db()
        done = headway(case)
        self._say(console.owed(case, done), *console.failing(case))
        if is_under_way(case, done):
            self._say("It goes on by itself as soon as a worker and beat run. Look again:")
            self._say(_again(case, "--status", by=None))
        return self._ended(case)

    def _ended(self, case: Revocation) -> int:
        if case.status == RevocationStatus.AWAITING_SECOND:
            return SECOND_NEEDED
        told = case.confirmed_at is None or is_told(case, headway(case))
        return DONE if told else UNTOLD

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.stdout.write(console.printable(line))

    def _draw(self, text: str) -> None:
        self.stdout.write(text, ending="")
        self.stdout.flush()


def _person(email: str | None) -> User:
    if not email:
        raise usage("--by EMAIL: whose act is this?")
    person = User.objects.filter(email__iexact=email.strip(), is_staff=True, is_active=True).first()
    if person is None:
        raise NotAllowed("no_such_person", f"Nobody on the staff has the address {email}.")
    return person


def _again(case: Revocation, *more: str, by: User | None) -> str:
    """The command to go on with, as it can be pasted."""
    words = [sys.executable, sys.argv[0], "revoke", case.ref, *more]
    return f"  {shlex.join([*words, '--by', by.email] if by else words)}"


def _confirming(case: Revocation, by: User) -> str:
    """What stands for the reason is too short to be one, so that somebody has to give it."""
    why = ("--beyond-cap", "WHY") if is_beyond_cap(case) else ()
    return _again(case, "--confirm", case.digest, *why, by=by)


@contextmanager
def _refusals() -> Iterator[None]:
    """What a service refuses with goes to stderr, with its code; so does a silent database."""
    try:
        yield
    except DomainError as error:
        ended = NOTHING_HIT if error.code == "nothing_hit" else REFUSED
        told = console.printable(f"{error.message} ({error.code})")
        raise CommandError(told, returncode=ended) from error
    except (DatabaseError, InterfaceError) as error:
        told = "PostgreSQL does not answer, or refused. Nothing is half done: look at the case with"
        raise CommandError(
            f"{told} --status before you repeat. ({type(error).__name__})", returncode=REFUSED
        ) from error
    except KeyboardInterrupt:
        told = "Interrupted. Nothing is half done: look with --status before you repeat."
        raise CommandError(f"\n{told}", returncode=REFUSED) from None
