"""The command given a file of keys: each line is answered."""

import csv
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.credentials.models import Revocation
from tests.factories.credentials import make_live_key
from tests.unit.credentials.by_phase import live
from tests.unit.credentials.test_revoke_command import revoke

pytestmark = pytest.mark.django_db


def file_of(tmp_path, *lines):
    path = tmp_path / "kids.txt"
    path.write_text("\n".join(lines))
    return str(path)


def of_file(by, path, *more):
    return revoke("--kids-file", path, "--reason", "key_leaked", "--by", by.email, *more)


def test_each_line_is_answered(phase, by, tmp_path):
    alive, dead = live(phase, 1)[0], live(phase, 1, status="expired")[0]
    _key, token = make_live_key(grant__application__phase=phase)
    path = file_of(tmp_path, alive.kid, dead.kid, alive.kid, "Z" * 16, "hunter2", token)
    ended, told = of_file(by, path)
    assert ended == 1
    assert told.endswith("(lines_odd)")
    assert not Revocation.objects.exists()

    answers = tmp_path / "answers.csv"
    ended, told = of_file(by, path, "--skip-odd", "--answers", str(answers))
    assert ended == 0
    assert re.findall(r"(\d+ lines?): (.+)", told) == [
        ("2 lines", "hit"),
        ("1 line", "dead already"),
        ("1 line", "duplicate"),
        ("1 line", "unknown"),
        ("1 line", "no key id"),
    ]
    assert f"  line 4: {'Z' * 16} unknown\n  line 5: no key id\n" in told
    assert "! Whole keys in 1 line. Destroy the file afterwards." in told
    assert Revocation.objects.get().count == 2
    written = answers.read_text()
    rows = [(row["line"], row["answer"]) for row in csv.DictReader(written.splitlines())]
    expected = ["hit", "dead already", "duplicate", "unknown", "no key id", "hit"]
    assert rows == [(str(number), each) for number, each in enumerate(expected, 1)]
    kept = Revocation.objects.get().lines.values_list("number", "answer")
    assert [(str(number), answer) for number, answer in kept] == rows
    assert [secret in told + written for secret in ("hunter2", token)] == [False, False]


def test_twenty_odd_lines_are_shown(by, tmp_path):
    ended, told = of_file(by, file_of(tmp_path, *["?"] * 23))
    assert (ended, len(re.findall(r"line \d+: no key id", told)), "and 3 more" in told) == (
        1,
        20,
        True,
    )


def test_a_list_that_names_nothing_never_widens_the_rest(phase, by, tmp_path):
    live(phase)
    path = file_of(tmp_path, "Z" * 16)
    assert of_file(by, path, "--skip-odd", "--phase", phase.ref)[0] == 3
    assert of_file(by, file_of(tmp_path, ""), "--phase", phase.ref)[0] == 3
    assert not Revocation.objects.exists()


def test_what_another_criterion_leaves_out_is_said(phase, by, tmp_path):
    meant, other = live(phase, 1)[0], make_live_key()[0]
    ended, told = of_file(by, file_of(tmp_path, meant.kid, other.kid), "--phase", phase.ref)
    assert ended == 0
    assert re.findall(r"(\d+ lines?): (.+)", told) == [("1 line", "hit"), ("1 line", "not meant")]


def test_a_file_of_bytes_is_no_list(by, tmp_path):
    path = tmp_path / "kids.bin"
    path.write_bytes(bytes(range(256)))
    assert of_file(by, str(path))[0] == 1


def test_statements_do_not_grow_with_the_list(phase, by, tmp_path):
    def cost(count):
        kids = [key.kid for key in live(phase, count)]
        junk = [f"{number:016}" for number in range(count * 1000)]
        with CaptureQueriesContext(connection) as captured:
            assert of_file(by, file_of(tmp_path, *kids, *junk), "--skip-odd")[0] == 0
        return len(captured)

    cost(2)  # what is kept is kept now
    assert cost(2) == cost(30)
