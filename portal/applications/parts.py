"""How far an application is: its parts, one page each, and what is left to do in each."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from portal.applications.answers import Answers, asked, problem_with
from portal.applications.models import Application
from portal.programs.models import Question
from portal.programs.offers import section_names
from portal.programs.selectors import current_agreement, signed_current_agreement

_NOTHING: tuple[Any, ...] = (None, "", [])


@dataclass(frozen=True)
class Section:
    """One page of questions. `asked` are those whose conditions the answers meet."""

    number: int
    name: str
    questions: list[Question]
    asked: list[Question]
    answered: int
    is_done: bool  # what is left unanswered, if anything, need not be


def sections(questions: list[Question], answers: Answers) -> list[Section]:
    """Every page of the phase's form, in order, with how far each is."""
    shown = asked(questions, answers)
    return [
        _section(number, name, questions, shown, answers)
        for number, name in enumerate(section_names(questions), start=1)
    ]


def _section(
    number: int, name: str, questions: list[Question], shown: list[Question], answers: Answers
) -> Section:
    here = [question for question in shown if question.section == name]
    wrong = [q for q in here if problem_with(q, answers.get(q.key))]
    return Section(
        number=number,
        name=name,
        questions=[question for question in questions if question.section == name],
        asked=here,
        answered=sum(q not in wrong and answers.get(q.key) not in _NOTHING for q in here),
        is_done=not wrong,
    )


@dataclass(frozen=True)
class Task:
    """One line of the task list."""

    title: str
    page: str  # the page's name in urls.py
    args: list[str | int]
    status: str
    label: str
    hint: str = ""

    @property
    def is_done(self) -> bool:
        return self.status == "done"

    @property
    def url(self) -> str:
        return reverse(f"applications:{self.page}", args=self.args)


def tasks(application: Application) -> list[Task]:
    """What the applicant has to do before submitting, and how far each is."""
    ref = application.ref
    questions = list(application.phase.questions.all())
    return [
        _organization(application),
        *(_questions(ref, section) for section in sections(questions, application.answers)),
        _capabilities(application),
        *_agreement(application),
    ]


def _organization(application: Application) -> Task:
    who = application.organization.name if application.organization else "Yourself"
    return Task(
        "Who applies", "organization", [application.ref], "done", "Done", f"On behalf of: {who}"
    )


def _questions(ref: str, section: Section) -> Task:
    total = len(section.asked)
    if section.is_done:
        status, label = "done", "Done"
    elif section.answered:
        status, label = "started", f"{section.answered} of {total}"
    else:
        status, label = "todo", "To do"
    hint = f"{total} question{'' if total == 1 else 's'}" if total else "Nothing asked here"
    return Task(section.name, "section", [ref, section.number], status, label, hint)


def _capabilities(application: Application) -> Task:
    count = len(application.scopes)
    status, label = ("done", "Done") if count else ("todo", "To do")
    hint = f"{count} chosen" if count else "What your key should be able to do"
    return Task("Capabilities", "capabilities", [application.ref], status, label, hint)


def _agreement(application: Application) -> list[Task]:
    release = application.phase.release
    agreement = current_agreement(release)
    if agreement is None:
        return []
    signed = signed_current_agreement(application.applicant_id, release)
    status, label = ("done", "Signed") if signed else ("todo", "To do")
    hint = f"{agreement.title}, version {agreement.number}"
    return [Task("Terms", "agreement", [application.ref], status, label, hint)]
