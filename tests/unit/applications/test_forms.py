"""What is typed is kept; what stands in the way is said."""

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from portal.applications.answers import problem_with
from portal.applications.forms import AnswersForm, answers_from, in_words
from portal.applications.parts import sections
from portal.programs.enums import QuestionKind
from portal.programs.models import Question

OPTIONS = ["First", "Second"]


def question(kind="short_text", key="q", **fields):
    return Question(key=key, kind=kind, section="Use", prompt="Which?", options=OPTIONS, **fields)


def posted(**values):
    data = QueryDict(mutable=True)
    for key, value in values.items():
        data.setlist(key, value if isinstance(value, list) else [value])
    return data


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        ("short_text", "  words ", "words"),
        ("long_text", "one\r\ntwo", "one\ntwo"),
        ("choice", "First", "First"),
        ("choice", "Third", "Third"),
        ("choices", ["First", "Second"], ["First", "Second"]),
        ("yes_no", "yes", "yes"),
        ("number", "12", 12),
        ("number", " 1,200 ", 1200),
        ("number", "a dozen", "a dozen"),
        ("number", "-3", "-3"),
        ("number", "٣", "٣"),
        ("number", "9" * 30, "9" * 30),
        ("date", "2030-01-31", "2030-01-31"),
        ("url", "example", "example"),
    ],
)
def test_what_was_posted_is_kept_as_typed_unless_it_is_a_number(kind, typed, kept):
    assert answers_from([question(kind)], posted(q=typed)) == {"q": kept}


def test_what_was_not_posted_is_empty():
    kinds = [question(kind, key=kind) for kind in ("short_text", "choices", "number")]
    assert answers_from(kinds, posted()) == {"short_text": "", "choices": [], "number": ""}


@given(kind=st.sampled_from(QuestionKind.values), typed=st.lists(st.text(), max_size=3))
def test_no_input_breaks_the_form_or_the_check(kind, typed):
    asked = question(kind, required=True)
    answers = answers_from([asked], posted(q=typed))
    problem = problem_with(asked, answers["q"])
    assert isinstance(problem, str)
    [page] = sections([asked], answers)
    form = AnswersForm(page, answers, problems={"q": problem} if problem else {})
    assert form.errors.get("q", []) == ([problem] if problem else [])
    assert 'id="id_q' in str(form)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("yes", "Yes"),
        ("no", "No"),
        (0, "0"),
        ("", "Not answered"),
        (None, "Not answered"),
        ([], "Not answered"),
        (["First", "Second"], "First, Second"),
    ],
)
def test_answers_in_words(answer, words):
    assert in_words(answer) == words


def page_with_a_condition(answers):
    asked = [
        question("yes_no", key="any", required=True),
        question(key="which", condition_key="any", condition_value="yes"),
    ]
    [page] = sections(asked, answers)
    return page


def test_a_question_not_asked_keeps_its_place_without_a_field():
    for answer, fields in (("no", ["any"]), ("yes", ["any", "which"])):
        form = AnswersForm(page_with_a_condition({"any": answer}), {"any": answer})
        assert [slot.key for slot in form.slots()] == ["any", "which"]
        assert [slot.key for slot in form.slots() if slot.field] == fields
        assert form.shown == " ".join(fields)


def test_notes_and_what_another_tab_saved_stand_beside_the_field():
    answers = {"any": "yes", "which": "mine"}
    form = AnswersForm(
        page_with_a_condition(answers),
        answers,
        notes={"which": ["Say more."]},
        meanwhile={"which": "theirs"},
    )
    told = [(slot.key, slot.notes, slot.meanwhile) for slot in form.slots()]
    assert told == [("any", [], ""), ("which", ["Say more."], "theirs")]


def test_only_optional_questions_say_so_and_half_a_form_can_be_sent():
    [page] = sections([question(key="a"), question(key="b", required=False)], {})
    html = str(AnswersForm(page, {}))
    assert html.count("(optional)") == 1
    assert " required" not in html


@pytest.mark.parametrize(
    ("answers", "answered", "done"),
    [
        ({}, 0, False),
        ({"b": "something"}, 1, False),
        ({"a": "something"}, 1, True),
        ({"a": "x" * 5001}, 0, False),
    ],
)
def test_a_page_is_done_when_nothing_required_is_open(answers, answered, done):
    [page] = sections([question(key="a"), question(key="b", required=False)], answers)
    assert (page.answered, page.is_done) == (answered, done)
