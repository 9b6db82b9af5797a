"""What `manage.py revoke` is told on its command line, and what it makes of it."""

import csv
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from portal.credentials.case_report import CRITERIA
from portal.credentials.enums import RevocationReason, Severity
from portal.credentials.lines import Line, Lines, read_lines, rows
from portal.credentials.targets import THINGS, Selector, split_kids

DONE, REFUSED, USAGE, NOTHING_HIT, UNTOLD, SECOND_NEEDED, LET_THROUGH = range(7)
BIGGEST_FILE = 20_000_000  # bytes; a hundred thousand whole keys are 8 million
_TIMES = ("issued_from", "issued_until", "used_from", "used_until")
_SEVERAL = (*THINGS, "capability")
_ABOUT_KEYS = (*_SEVERAL, *_TIMES, "kid", "kids_file", "skip_odd", "exclude")
_OF_A_NEW_CASE = (*_ABOUT_KEYS, "reason", "title", "note", "severity", "rehearsal", "answers")
ACTS = ("confirm", "contain", "let_go", "pause", "resume", "prove", "status")


def usage(told: str) -> CommandError:
    return CommandError(told, returncode=USAGE)


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


# --- Options ------------------------------------------------------------------------------------
def add_criteria(parser: ArgumentParser) -> None:
    group = parser.add_argument_group(
        "which keys (every one given has to hold; given several times, one)"
    )
    for name in _SEVERAL:
        hint = "EMAIL or USR-…" if name in ("person", "reviewer") else "REF"
        metavar = "SCOPE" if name == "capability" else hint
        group.add_argument(flag(name), metavar=metavar, action="append", help=CRITERIA[name])
    for name in _TIMES:
        hint = f"{CRITERIA[name]}: 2026-05-12T03:00 in UTC, or with an offset"
        group.add_argument(flag(name), metavar="TIME", type=_moment, help=hint)
    group.add_argument("--kid", metavar="KID", action="append", help="may be given several times")
    group.add_argument(
        "--kids-file", metavar="FILE", help="ids or whole keys, or a CSV; - is stdin"
    )
    group.add_argument("--skip-odd", action="store_true", help="leave out lines that are no key")
    group.add_argument("--answers", metavar="FILE", help="write what became of each line, as CSV")
    group.add_argument(
        "--exclude",
        metavar="KID=WHY",
        action="append",
        help="stays alive; may be given several times",
    )


def add_case(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("the case")
    group.add_argument("--title", help="how colleagues will speak of it")
    group.add_argument("--severity", choices=Severity.values, help="high unless told")
    group.add_argument(
        "--reason", choices=RevocationReason.values, help="holders are told these words"
    )
    group.add_argument("--note", help="for colleagues; holders never see it")
    group.add_argument("--rehearsal", action="store_true", help="a drill, on keys to test alone")


def add_acts(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("what to do with a case")
    group.add_argument("--confirm", metavar="DIGEST", help="revoke exactly what has this digest")
    group.add_argument("--contain", action="store_true", help="refuse the keys, reversibly")
    group.add_argument("--let-go", action="store_true", help="put a case away that holds no keys")
    group.add_argument("--pause", action="store_true", help="tell nobody for now")
    group.add_argument("--resume", action="store_true", help="go on telling")
    group.add_argument(
        "--prove", action="store_true", help="decide about every key at every gateway"
    )
    group.add_argument("--status", action="store_true", help="where it stands; needs no --by")
    group.add_argument("--yes", action="store_true", help="do not ask for count and word")
    group.add_argument("--beyond-cap", metavar="WHY", default="", help="more keys than the cap")
    group.add_argument("--no-wait", action="store_true", help="do not follow the progress")
    group.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=60.0,
        help="stop following when nothing has moved for so long (60)",
    )


def _moment(text: str) -> datetime:
    """A day means its beginning; what names no zone is UTC."""
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError:
        moment = day = None
    if day:
        moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - made aware below
    if moment is None:
        raise ArgumentTypeError(f"no time: {text}. Write it as 2026-05-12T03:00.")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


# --- What they come to --------------------------------------------------------------------------
def act_of(options: dict[str, Any]) -> str:
    """The one thing to do with a case made before."""
    acts = [name for name in ACTS if options.get(name)]
    if len(acts) != 1:
        raise usage(f"Say one of {', '.join(flag(name) for name in ACTS)}.")
    new = [name for name in _OF_A_NEW_CASE if options.get(name)]
    if new:
        raise usage(f"{flag(new[0])} makes a new case; what is in this one is frozen.")
    return acts[0]


def must_be_a_new_case(options: dict[str, Any]) -> None:
    acts = [name for name in ACTS if options.get(name) and name != "contain"]
    if acts:
        raise usage(f"{flag(acts[0])}: of which case? Give its reference: CASE-….")
    if not options["reason"]:
        raise usage(f"--reason: say why, by one of {', '.join(RevocationReason.values)}.")


def selector_of(options: dict[str, Any], lines: Lines | None) -> Selector:
    given = {name: options[name] for name in _TIMES if options[name]}
    given |= {name: "\n".join(options[name]) for name in _SEVERAL if options[name]}
    kids = [*(options["kid"] or ()), *(lines.known if lines else ())]
    return Selector(**given, kids="\n".join(kids))


def spared_of(options: dict[str, Any]) -> dict[str, str]:
    """Why, by kid, of the keys that are to stay alive."""
    spared = {}
    for text in options["exclude"] or ():
        key, _, why = text.partition("=")
        kids = split_kids(key)
        if len(kids) != 1 or not why.strip():
            raise usage("--exclude: write it as KID=WHY, and say why that key stays alive.")
        spared[kids[0]] = why.strip()
    return spared


def lines_of(options: dict[str, Any]) -> Lines | None:
    name = options["kids_file"]
    if name is None:
        return None
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
            raw = file.read(BIGGEST_FILE + 1)
        if len(raw) > BIGGEST_FILE:
            raise usage("--kids-file: larger than 20 MB. Leave only the key ids.")
        # Whatever is no text is answered as a line without a key.
        return read_lines(raw.decode("utf-8-sig", errors="replace"))
    except (OSError, csv.Error) as error:
        raise usage(f"--kids-file: {error}") from error


def write_answers(name: str, answers: Iterable[Line]) -> None:
    try:
        with Path(name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows(rows(answers))
    except OSError as error:
        raise usage(f"--answers: {error}. Nothing is revoked.") from error
