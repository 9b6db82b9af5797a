"""What the linters are told, where they cannot tell by themselves that they were told right."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from tests.meta.sources import BASE, imported, sources, trees

PLANTED = """\
import django.http
from django.contrib import messages
from django.db.models.signals import (
    m2m_changed, post_delete, post_save, pre_delete, pre_save,
)
from django.dispatch import receiver
from django.shortcuts import redirect
"""
HTTP, SIGNALS = [1, 2, 7], [4, 4, 4, 4, 4, 6]


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("portal/credentials/services/planted.py", HTTP + SIGNALS),
        ("portal/reviews/policies.py", HTTP + SIGNALS),
        ("portal/mail/notices.py", HTTP + SIGNALS),
        ("portal/credentials/views/planted.py", []),
        ("accounts/admin.py", []),
    ],
)
def test_http_is_banned_outside_the_edges(file, lines):
    command = [sys.executable, "-m", "ruff", "check", "--select=TID251", "--output-format=concise"]
    answer = subprocess.run(
        [*command, "--stdin-filename", file, "-"],
        input=PLANTED,
        capture_output=True,
        text=True,
        cwd=BASE,
        check=False,
    )
    assert answer.stderr == ""
    found = re.findall(r"^\S+?:(\d+):\d+: TID251", answer.stdout, re.MULTILINE)
    assert sorted(map(int, found)) == sorted(lines)


def _signals(tree):
    """Names of Django's signals among what a module imports; edges may lint clean with them."""
    return [
        name
        for name in imported(tree)
        if name.startswith(("django.dispatch", "django.db.models.signals", "django.core.signals"))
    ]


def test_nobody_listens_to_signals():
    assert {name: found for name, tree in trees() if (found := _signals(tree))} == {
        # After `migrate`, roles are given what they may do: nothing calls us then.
        "accounts/apps.py": ["django.db.models.signals.post_migrate"],
    }


def test_the_search_for_signals_finds_them():
    assert len(_signals(ast.parse(PLANTED))) == len(SIGNALS)


# What lets a rule be broken says which and why: "noqa: X - why", "type: ignore[x] # why".
WITHOUT_REASON = re.compile(
    r"# noqa(?!: [A-Z]+\d+(, [A-Z]+\d+)* - \w).*|# type: ignore(?!\[[\w, -]+\] {1,2}# \w).*"
)


def test_every_exception_says_why():
    found = [
        (name, match[0]) for name, text in sources() for match in WITHOUT_REASON.finditer(text)
    ]
    assert found == []


def test_every_rule_put_aside_in_the_configuration_says_why():
    """In ruff's lists a comment follows the codes; djlint's codes each have a line above them."""
    text = (BASE / "pyproject.toml").read_text()
    ruff = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.flake8")]
    codes = re.compile(r'^[^#\n]*"[A-Z]+\d*"[^#\n]*$', re.MULTILINE)
    assert codes.findall(ruff) == ['select = ["ALL"]']
    ignored = tomllib.loads(text)["tool"]["djlint"]["ignore"].split(",")
    assert re.findall(r"^# (H\d+): ", text, re.MULTILINE) == ignored
