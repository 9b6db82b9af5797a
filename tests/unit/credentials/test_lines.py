"""A list of keys from anywhere: each line is answered, none is kept that may be a secret."""

import csv

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.credentials.lines import counted, read_lines
from tests.factories.credentials import CredentialFactory, make_live_key

pytestmark = pytest.mark.django_db
STRANGER = "Z" * 16


def told(text, *answers):
    return [(line.number, line.kid, line.answer) for line in read_lines(text).answers(*answers)]


def test_every_line_is_answered():
    live, _token = make_live_key()
    slot = CredentialFactory()
    dead, _token = make_live_key(status="expired")
    text = f"{live.kid}\n\n{dead.kid}\nwho?\n{live.kid}\n{STRANGER}\n{slot.kid},{dead.kid}\n"
    assert told(text) == [
        (1, live.kid, "hit"),
        (3, dead.kid, "dead already"),
        (4, "", "no key id"),
        (5, live.kid, "duplicate"),
        (6, STRANGER, "unknown"),
        (7, slot.kid, "hit"),
        (7, dead.kid, "duplicate"),
    ]
    assert counted(read_lines(text).answers()) == [
        ("hit", 2),
        ("dead already", 1),
        ("duplicate", 2),
        ("unknown", 1),
        ("no key id", 1),
    ]


def test_what_the_case_leaves_out_is_no_hit():
    hit, spared, other = (make_live_key()[0].kid for _ in range(3))
    assert told(f"{hit}\n{spared}\n{other}", {hit}, {spared}) == [
        (1, hit, "hit"),
        (2, spared, "stays alive"),
        (3, other, "not meant"),
    ]
    assert told(hit, set()) == [(1, hit, "not meant")]


def test_of_a_whole_key_the_id_alone_is_kept():
    key, token = make_live_key()
    lines = read_lines(f"API_KEY={token}\n{token}\n{key.kid}")
    assert lines.found == [(1, key.kid), (2, key.kid), (3, key.kid)]
    assert lines.whole_keys == 2
    assert token not in repr(lines)


def test_a_line_of_anything_else_keeps_nothing_of_it():
    lines = read_lines("hunter2 hunter3")
    assert lines.found == [(1, "")]
    assert [line.words for line in lines.answers()] == ["line 1: no key id"]


@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_a_column_named_kid_is_the_one_that_counts(separator):
    key, _token = make_live_key()
    rows = [["holder", "KID"], ["Ada", key.kid], ["Grace"]]
    assert told("\n".join(separator.join(row) for row in rows)) == [(2, key.kid, "hit")]


def test_a_hundred_thousand_lines_cost_one_statement():
    key, _token = make_live_key()
    text = "\n".join([*(f"{number:016}" for number in range(99_999)), key.kid])
    with CaptureQueriesContext(connection) as captured:
        answers = read_lines(text).answers()
    assert len(captured) == 1
    assert counted(answers) == [("hit", 1), ("unknown", 99_999)]


@pytest.mark.parametrize("closed", ["", '"'], ids=["left open", "closed on a later line"])
def test_a_stray_quote_swallows_no_keys(closed):
    """They would be taken for somebody's words, stay out of the case, and live."""
    keys = [make_live_key()[0].kid for _ in range(3)]
    text = f'kid,note\n{keys[0]},"seen\n{keys[1]},seen\n{keys[2]},seen{closed}\n'
    with pytest.raises(csv.Error):
        read_lines(text)


def test_words_on_several_lines_in_quotes_are_words():
    first, second = (make_live_key()[0].kid for _ in range(2))
    text = f'kid,note\n{first},"seen,\nand ""shared"""\n{second},\n'
    assert [kid for _number, kid in read_lines(text).found] == [first, second]


def test_a_line_is_told_by_where_it_stands_in_the_file_whatever_was_quoted_above():
    first, second = (make_live_key()[0].kid for _ in range(2))
    text = (
        f'kid,note\n{first},"seen,\nand\n\n""shared"""\n{second},\nnone at all,"or\nless"\n\n'
        f"{first},again\n"
    )
    listed = [*text.splitlines()]
    assert (listed[5], listed[9]) == (f"{second},", f"{first},again")
    assert told(text) == [
        (2, first, "hit"),
        (6, second, "hit"),
        (7, "", "no key id"),
        (10, first, "duplicate"),
    ]
    lines = read_lines(text)
    assert (lines.odd, lines.kids) == ([7], [first, second, first])
    after = read_lines(second)
    assert (lines + after).found[-1] == (11, second)
