"""The page a responder follows at night names flags and buttons as they are."""

import ast
import html
import re
from functools import cache
from pathlib import Path

from celery.bin.worker import worker
from django.conf import settings
from django.core.management import load_command_class

from portal.credentials import console_arguments
from tests.meta.sources import BASE, trees

PAGE = " ".join((Path(settings.BASE_DIR) / "docs" / "incident.md").read_text().split())
CODE = re.compile(r"`([^`]+)`")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
BOLD = re.compile(r"\*\*([^*]+)\*\*")
QUOTED = re.compile("“([^”]+)”")
STRESSED = {"two", "how many, whose, used in the last hour", "The report", "The log"}
OF_TWO = re.compile(r'{{[^}]*\|pluralize:"[^,"]*,([^,"]*)"\s*}}')  # many are what it speaks of


def flags_of(program):
    if program == "celery":
        return {flag for option in worker.params for flag in option.opts}
    command = load_command_class("portal.credentials", "revoke")
    return set(command.create_parser("manage.py", "revoke")._option_string_actions)


def flags():
    """Each with the command it stands with; one that stands alone is of the page's own."""
    for code in CODE.findall(PAGE):
        for flag in FLAG.findall(code):
            yield "celery" if code.startswith("celery ") else "revoke", flag


@cache
def labels():
    """Whatever stands alone between two tags of a template, or in quotes in Python."""
    found = set()
    for path in (BASE / "templates").rglob("*.html"):
        plain = re.sub(r"{{.*?}}", "…", OF_TWO.sub(r"\1", path.read_text()))
        found |= {
            " ".join(html.unescape(each).split()) for each in re.split(r"<.*?>|{%.*?%}", plain)
        }
    for _, tree in trees():
        found |= {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return found


def bold():
    return {each.rstrip(".") for each in BOLD.findall(PAGE)}


def test_every_flag_is_known_to_the_command_it_stands_with():
    named = set(flags())
    known = {program: flags_of(program) for program in ("revoke", "celery")}
    assert {flag for _, flag in named} == set(FLAG.findall(PAGE)), "each is written as code"
    assert {program for program, _ in named} == set(known)
    assert [(program, flag) for program, flag in named if flag not in known[program]] == []


def test_every_button_has_the_words_the_page_says():
    buttons = {each for each in bold() - STRESSED if not each.isdigit()}
    assert len(buttons) > 8
    assert sorted(buttons - labels()) == []


def test_every_heading_and_word_it_quotes_is_shown():
    quoted = set(QUOTED.findall(PAGE))
    assert len(quoted) > 5
    known = "\n".join(labels())
    assert sorted(each for each in quoted if each not in known) == []


def test_every_way_to_end_is_named():
    named = {int(each) for each in bold() if each.isdigit()}
    ends = ("DONE", "REFUSED", "USAGE", "NOTHING_HIT", "UNTOLD", "SECOND_NEEDED", "LET_THROUGH")
    assert named == {getattr(console_arguments, each) for each in ends}
