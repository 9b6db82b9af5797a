"""Which questions are asked, and what counts as an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.applications.answers import asked, problem_with, problems
from portal.programs.enums import QuestionKind
from portal.programs.models import Question

UNANSWERED = "Answer this question."
NOT_WEB = "Write a whole web address, such as https://example.org/page."


def question(key="q", kind="short_text", **fields):
    return Question(key=key, kind=kind, prompt=f"{key}?", **fields)


@pytest.mark.parametrize(
    ("kind", "answer", "problem"),
    [
        ("short_text", "Words", ""),
        ("short_text", "x" * 5000, ""),
        ("short_text", "x" * 5003, "Shorten this by 3 characters."),
        ("short_text", 3, "Answer in words."),
        ("short_text", ["a"], "Answer in words."),
        ("short_text", "   \n ", UNANSWERED),
        ("long_text", "Words", ""),
        ("long_text", {"a": 1}, "Answer in words."),
        ("choice", "red", ""),
        ("choice", "Red", "Choose one of the options."),
        ("choice", ["red"], "Choose one of the options."),
        ("choice", {"red": 1}, "Choose one of the options."),
        ("choices", ["red", "blue"], ""),
        ("choices", ["red", "green"], "Choose from the options."),
        ("choices", "red", "Choose from the options."),
        ("choices", [["red"]], "Choose from the options."),
        ("yes_no", "yes", ""),
        ("yes_no", "no", ""),
        ("yes_no", "maybe", "Answer yes or no."),
        ("yes_no", True, "Answer yes or no."),
        ("number", 0, ""),
        ("number", 10**12 - 1, ""),
        ("number", 10**12, "Write a whole number, such as 12."),
        ("number", -1, "Write a whole number, such as 12."),
        ("number", True, "Write a whole number, such as 12."),
        ("number", 1.5, "Write a whole number, such as 12."),
        ("number", "12", "Write a whole number, such as 12."),
        ("date", "2030-01-31", ""),
        ("date", "2030-02-30", "Write a date, such as 2030-01-31."),
        ("date", 20300131, "Write a date, such as 2030-01-31."),
        ("url", "https://example.org/page", ""),
        ("url", "example.org", NOT_WEB),
        ("url", "javascript:alert(1)", NOT_WEB),
        ("url", 7, NOT_WEB),
    ],
)
def test_each_kind_of_question_says_what_is_wrong(kind, answer, problem):
    assert problem_with(question(kind=kind, options=["red", "blue"]), answer) == problem


@pytest.mark.parametrize("kind", QuestionKind.values)
@pytest.mark.parametrize("nothing", [None, "", [], " "])
def test_no_answer_is_a_problem_only_where_one_is_required(kind, nothing):
    assert problem_with(question(kind=kind), nothing) == UNANSWERED
    assert problem_with(question(kind=kind, required=False), nothing) == ""


QUESTIONS = [
    question("human", "yes_no"),
    question("how", "long_text", condition_key="human", condition_value="yes"),
    question("colours", "choices", options=["red", "blue"], required=False),
    question("red_why", condition_key="colours", condition_value="red"),
    question("people", "number", required=False),
    question("five_who", condition_key="people", condition_value="5"),
    question("how_more", condition_key="how", condition_value="more"),
]


def keys(answers):
    return [each.key for each in asked(QUESTIONS, answers)]


@pytest.mark.parametrize(
    ("answers", "shown"),
    [
        ({}, {"human", "colours", "people"}),
        ({"human": "no"}, {"human", "colours", "people"}),
        ({"human": "yes"}, {"human", "how", "colours", "people"}),
        ({"colours": ["blue"]}, {"human", "colours", "people"}),
        ({"colours": ["blue", "red"]}, {"human", "colours", "red_why", "people"}),
        ({"people": 5}, {"human", "colours", "people", "five_who"}),
        ({"people": 55}, {"human", "colours", "people"}),
        ({"human": "yes", "how": "more"}, {"human", "how", "colours", "people", "how_more"}),
        # `how` is not asked, so what still stands in it shows nothing.
        ({"human": "no", "how": "more"}, {"human", "colours", "people"}),
    ],
)
def test_a_condition_shows_a_question_only_when_it_is_met(answers, shown):
    assert set(keys(answers)) == shown


def test_questions_are_asked_in_their_order():
    everything = {"human": "yes", "how": "more", "colours": ["red"], "people": 5}
    assert keys(everything) == [each.key for each in QUESTIONS]


def test_only_questions_that_are_asked_can_have_problems():
    assert problems(QUESTIONS, {"human": "yes", "colours": ["green"]}) == {
        "how": UNANSWERED,
        "colours": "Choose from the options.",
    }
    assert problems(QUESTIONS, {"human": "no", "how": 7}) == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
names = st.sampled_from([each.key for each in QUESTIONS])


@given(st.sampled_from(QuestionKind.values), json_values)
def test_any_answer_gets_a_sentence_and_never_an_exception(kind, answer):
    assert isinstance(problem_with(question(kind=kind, options=["red"]), answer), str)


@given(st.dictionaries(names, json_values))
def test_problems_are_exactly_those_of_the_questions_asked(answers):
    alone = {
        each.key: problem_with(each, answers.get(each.key)) for each in asked(QUESTIONS, answers)
    }
    assert problems(QUESTIONS, answers) == {key: said for key, said in alone.items() if said}


@given(st.dictionaries(names, json_values), names, json_values)
def test_an_answer_nobody_depends_on_shows_and_hides_nothing(answers, key, value):
    if key in {each.condition_key for each in QUESTIONS}:
        return
    assert keys(answers) == keys(answers | {key: value})
