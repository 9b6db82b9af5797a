"""What changed between two submissions, down to the word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.reviews.differences import (
    MOST_WORDS,
    Piece,
    compare_answers,
    compare_list,
    compare_text,
    in_words,
)


def same(text):
    return Piece("same", text)


def added(text):
    return Piece("added", text)


def removed(text):
    return Piece("removed", text)


def snapshot(**answers):
    return {
        "answers": [
            {"key": key, "section": "Use", "prompt": f"{key}?", "answer": answer}
            for key, answer in answers.items()
        ]
    }


def test_words_are_marked():
    assert compare_text("a quiet sentence", "a long sentence") == (
        same("a "),
        removed("quiet "),
        added("long "),
        same("sentence"),
    )


@given(st.text(alphabet="ab \n", max_size=60), st.text(alphabet="ab \n", max_size=60))
def test_both_texts_can_be_read_out_of_the_pieces(before, after):
    pieces = compare_text(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == after


def test_long_texts_are_compared_by_line_and_endless_ones_as_a_whole():
    line = "word " * 50
    many = f"{line}\n" * (MOST_WORDS // 50 + 1)
    assert compare_text(many, many + "last") == (same(many), added("last"))
    endless = "word\n" * (MOST_WORDS + 1)
    assert compare_text(endless, endless + "x") == (removed(endless), added(endless + "x"))


def test_lists_keep_their_order_and_name_what_went():
    assert compare_list(["a", "b"], ["c", "b"]) == (added("c"), same("b"), removed("a"))


def test_a_first_submission_has_no_marks():
    (item,) = compare_answers(snapshot(use="Triage"), None)
    assert (item.answer, item.pieces, item.change) == ("Triage", (), "")


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("Triage", "Triage", ""),
        ("Triage", "Defence", "changed"),
        ("", "Defence", "added"),
        (None, "Defence", "added"),
        ("Triage", "", "removed"),
        (["a"], ["a", "b"], "changed"),
        ("yes", "no", "changed"),
        (3, 4, "changed"),
    ],
)
def test_change_of_one_answer(before, after, change):
    (item,) = compare_answers(snapshot(use=after), snapshot(use=before))
    assert item.change == change
    assert bool(item.pieces) is bool(change)


def test_questions_that_came_and_went():
    came, went = compare_answers(snapshot(aim="Defence"), snapshot(use="Triage"))
    assert (came.key, came.change, came.pieces) == ("aim", "added", (added("Defence"),))
    assert (went.key, went.change, went.pieces) == ("use", "removed", (removed("Triage"),))
    assert went.answer == ""


@pytest.mark.parametrize(
    ("answer", "words"),
    [(None, ""), ([], ""), ("yes", "Yes"), ("no", "No"), (12, "12"), (["a", "b"], "a\nb")],
)
def test_answers_in_words(answer, words):
    assert in_words(answer) == words
