"""What counts as a complete set of answers. Pure functions over a phase's questions.

Answers are kept as JSON: text, "yes" or "no", an integer, an ISO date, or a list of options.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from portal.programs.enums import QuestionKind
from portal.programs.models import Question

Answers = dict[str, Any]

_is_url = URLValidator(schemes=["http", "https"])


def asked(questions: Iterable[Question], answers: Answers) -> list[Question]:
    """The questions whose condition these answers meet.

    A condition on a question that is itself not asked is not met.
    """
    shown: dict[str, Question] = {}
    for question in questions:
        condition = question.condition_key
        if not condition or (
            condition in shown and _matches(answers.get(condition), question.condition_value)
        ):
            shown[question.key] = question
    return list(shown.values())


def problems(questions: Iterable[Question], answers: Answers) -> dict[str, str]:
    """What stands between these answers and submission: question key to a sentence."""
    found = {}
    for question in asked(questions, answers):
        problem = problem_with(question, answers.get(question.key))
        if problem:
            found[question.key] = problem
    return found


def problem_with(question: Question, answer: Any) -> str:
    """Why this answer cannot be submitted; empty when it can."""
    if answer in (None, "", []) or (isinstance(answer, str) and not answer.strip()):
        return "Answer this question." if question.required else ""
    return _CHECKS[QuestionKind(question.kind)](question, answer)


def _matches(answer: Any, wanted: str) -> bool:
    return wanted in answer if isinstance(answer, list) else str(answer) == wanted


def _text(question: Question, answer: Any) -> str:
    if not isinstance(answer, str):
        return "Answer in words."
    over = len(answer) - question.max_length
    return f"Shorten this by {over} characters." if over > 0 else ""


def _one(question: Question, answer: Any) -> str:
    return "" if answer in question.options else "Choose one of the options."


def _several(question: Question, answer: Any) -> str:
    known = isinstance(answer, list) and all(each in question.options for each in answer)
    return "" if known else "Choose from the options."


def _yes_no(question: Question, answer: Any) -> str:
    return "" if answer in ("yes", "no") else "Answer yes or no."


def _number(question: Question, answer: Any) -> str:
    sound = isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < 10**12
    return "" if sound else "Write a whole number, such as 12."


def _date(question: Question, answer: Any) -> str:
    try:
        dt.date.fromisoformat(answer)
    except (TypeError, ValueError):
        return "Write a date, such as 2030-01-31."
    return ""


def _url(question: Question, answer: Any) -> str:
    try:
        _is_url(answer)
    except ValidationError:
        return "Write a whole web address, such as https://example.org/page."
    return _text(question, answer)


_CHECKS: dict[QuestionKind, Callable[[Question, Any], str]] = {
    QuestionKind.SHORT_TEXT: _text,
    QuestionKind.LONG_TEXT: _text,
    QuestionKind.CHOICE: _one,
    QuestionKind.CHOICES: _several,
    QuestionKind.YES_NO: _yes_no,
    QuestionKind.NUMBER: _number,
    QuestionKind.DATE: _date,
    QuestionKind.URL: _url,
}
