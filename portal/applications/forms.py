"""Forms that keep whatever is typed; what stands in the way of submitting is said beside it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django import forms
from django.forms.boundfield import BoundField
from django.forms.utils import ErrorDict
from django.http import QueryDict

from accounts.models import Membership
from portal.applications.answers import Answers
from portal.applications.parts import Section
from portal.programs.enums import QuestionKind
from portal.programs.models import Question

# Far above the longest answer allowed: what is over is kept and pointed at, not cut off.
_ROOM = 2

YES_NO = [("yes", "Yes"), ("no", "No")]


def answers_from(questions: Iterable[Question], data: QueryDict) -> Answers:
    """What was posted for these questions, as answers are kept; nothing is refused here.

    A number that is none stays as it was typed, so that it can be shown and corrected.
    """
    return {question.key: _posted(question, data) for question in questions}


def _posted(question: Question, data: QueryDict) -> Any:
    if question.kind == QuestionKind.CHOICES:
        return data.getlist(question.key)
    value = data.get(question.key, "").strip()
    if question.kind == QuestionKind.NUMBER:
        plain = value.replace(",", "").replace(" ", "")
        if plain.isascii() and plain.isdigit() and len(plain) < 16:
            return int(plain)
    return value.replace("\r\n", "\n")


class DisplayForm(forms.Form):
    """Shows answers and what is wrong with them; never refuses."""

    use_required_attribute = False  # half a form may be saved

    def __init__(self, *, problems: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._problems = problems

    def full_clean(self) -> None:
        self.cleaned_data: dict[str, Any] = {}
        self._errors = ErrorDict(renderer=self.renderer)
        for name, sentence in self._problems.items():
            if name in self.fields:
                self.add_error(name, sentence)


class Slot(NamedTuple):
    """A question's place on its page; the field is None while the question is not asked."""

    key: str
    field: BoundField | None
    notes: list[str]  # what reviewers ask to be changed
    meanwhile: str  # what another tab saved here, where that differs


class AnswersForm(DisplayForm):
    """One page of questions, with the answers so far. Those not asked keep their place."""

    def __init__(
        self,
        section: Section,
        answers: Answers,
        *,
        problems: Mapping[str, str] | None = None,
        notes: Mapping[str, list[str]] | None = None,
        meanwhile: Answers | None = None,
    ) -> None:
        super().__init__(problems=problems or {}, initial=answers)
        self._section, self._notes = section, notes or {}
        self._meanwhile = meanwhile or {}
        for question in section.asked:
            self.fields[question.key] = _field(question)

    def slots(self) -> Iterator[Slot]:
        for question in self._section.questions:
            key = question.key
            yield Slot(
                key=key,
                field=self[key] if key in self.fields else None,
                notes=self._notes.get(key, []),
                meanwhile=in_words(self._meanwhile[key]) if key in self._meanwhile else "",
            )

    @property
    def shown(self) -> str:
        """The keys on the page, so that what was not on it is not taken for emptied."""
        return " ".join(self.fields)


def in_words(answer: Any) -> str:
    """An answer as people read it; said when there is none."""
    if isinstance(answer, list):
        return ", ".join(answer) or "Not answered"
    if answer in ("yes", "no"):
        return dict(YES_NO)[answer]
    return "Not answered" if answer in (None, "") else str(answer)


def _field(question: Question) -> forms.Field:
    field = _FIELDS[QuestionKind(question.kind)](question)
    field.label, field.help_text = question.prompt, question.help
    field.required = question.required
    return field


def _line(question: Question) -> forms.Field:
    return forms.CharField()


def _text(question: Question) -> forms.Field:
    rows = forms.Textarea(attrs={"rows": 6, "maxlength": str(question.max_length * _ROOM)})
    return forms.CharField(widget=rows)


def _options(question: Question) -> list[tuple[str, str]]:
    return [(option, option) for option in question.options]


def _choice(question: Question) -> forms.Field:
    return forms.ChoiceField(choices=_options(question), widget=forms.RadioSelect)


def _choices(question: Question) -> forms.Field:
    return forms.MultipleChoiceField(
        choices=_options(question), widget=forms.CheckboxSelectMultiple
    )


def _yes_no(question: Question) -> forms.Field:
    return forms.ChoiceField(choices=YES_NO, widget=forms.RadioSelect)


def _number(question: Question) -> forms.Field:
    return forms.CharField(widget=forms.TextInput(attrs={"inputmode": "numeric", "size": "16"}))


def _date(question: Question) -> forms.Field:
    return forms.CharField(widget=forms.DateInput(attrs={"type": "date"}))


def _url(question: Question) -> forms.Field:
    widget = forms.URLInput(attrs={"placeholder": "https://"})
    return forms.CharField(widget=widget)


_FIELDS: dict[QuestionKind, Callable[[Question], forms.Field]] = {
    QuestionKind.SHORT_TEXT: _line,
    QuestionKind.LONG_TEXT: _text,
    QuestionKind.CHOICE: _choice,
    QuestionKind.CHOICES: _choices,
    QuestionKind.YES_NO: _yes_no,
    QuestionKind.NUMBER: _number,
    QuestionKind.DATE: _date,
    QuestionKind.URL: _url,
}


class OrganizationForm(DisplayForm):
    """For whom the application is made."""

    organization = forms.ChoiceField(
        label="On whose behalf do you apply?", widget=forms.RadioSelect, required=True
    )

    def __init__(
        self,
        memberships: Iterable[Membership],
        *,
        chosen: str,
        problems: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(problems=problems or {}, initial={"organization": chosen})
        self.fields["organization"].choices = [  # type: ignore[attr-defined] # a ChoiceField
            ("", "Myself, as an individual"),
            *((place.organization.ref, place.organization.name) for place in memberships),
        ]


class MessageForm(forms.Form):
    body = forms.CharField(
        label="Your message",
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": "Write something first."},
    )


class AppealForm(forms.Form):
    text = forms.CharField(
        label="What should we look at again?",
        help_text="What we got wrong or did not know. Other reviewers than before will read it.",
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 8}),
        error_messages={"required": "Say what we should look at again."},
    )
