"""What staff type on the review desk's confirm pages. What is allowed, the services say."""

from typing import Any, cast

from django import forms

from portal.applications.models import Application, Message
from portal.reviews.differences import in_words
from portal.reviews.enums import ConflictKind, ConflictResolution, DecisionReason
from portal.reviews.models import ConflictOfInterest, Decision, Review

MOST_MESSAGE = Message._meta.get_field("body").max_length
MOST_TEXT = Decision._meta.get_field("text").max_length
SCORES = (
    ("score_need", "Need for access", "1: would manage without · 5: cannot be done without"),
    ("score_safeguards", "Safeguards", "1: none named · 5: tested, with somebody responsible"),
    ("score_track_record", "Track record", "1: unknown · 5: long, public and good"),
)
_DECLINING = [choice for choice in DecisionReason.choices if choice[0] != "meets_criteria"]


def _text(label: str, *, most: int | None, rows: int = 6, **more: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows})
    return forms.CharField(label=label, max_length=most, widget=widget, **more)


class TakeForm(forms.Form):
    """Says whose it was when the page was made, so that a third person's is not taken."""

    holder = forms.CharField(required=False, widget=forms.HiddenInput)


class ReadForm(forms.Form):
    """Says which revision stood in the file when the page was made, so that no other is judged."""

    revision = forms.IntegerField(widget=forms.HiddenInput)


class ReviewForm(ReadForm):
    recommendation = forms.ChoiceField(
        label="What do you recommend?",
        choices=[("approve", "Approve"), ("decline", "Decline: stops an approval")],
        widget=forms.RadioSelect,
    )
    comment = _text(
        "Why",
        most=Review._meta.get_field("comment").max_length,
        help_text="For staff; applicants never see it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label, ends in SCORES:
            self.fields[name] = forms.TypedChoiceField(
                label=label,
                help_text=ends,
                choices=[(n, str(n)) for n in range(1, 6)],
                coerce=int,
                widget=forms.RadioSelect,
            )
        self.order_fields(["recommendation", *(name for name, *_ in SCORES), "comment"])

    @property
    def scores(self) -> dict[str, int]:
        return {name: self.cleaned_data[name] for name, *_ in SCORES}


class RequestChangesForm(ReadForm):
    """One box for the whole and one for each question that was answered."""

    general = _text("About the application as a whole", most=MOST_MESSAGE, rows=4, required=False)

    def __init__(self, *args: Any, application: Application, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        revision = application.revisions.first()
        asked = set(application.phase.questions.values_list("key", flat=True))
        self.answers = {
            each["key"]: each
            for each in (revision.snapshot["answers"] if revision else [])
            if each["key"] in asked
        }
        for key, each in self.answers.items():
            self.fields[f"about_{key}"] = _text(
                f"What should change in “{each['prompt']}”",
                most=MOST_MESSAGE,
                rows=3,
                required=False,
            )

    def sections(self) -> list[tuple[str, list[tuple[str, str, forms.BoundField]]]]:
        """By section: (prompt, answer, the box beside it)."""
        grouped: dict[str, list[tuple[str, str, forms.BoundField]]] = {}
        for key, each in self.answers.items():
            row = (each["prompt"], in_words(each["answer"]), self[f"about_{key}"])
            grouped.setdefault(each["section"], []).append(row)
        return list(grouped.items())

    @property
    def notes(self) -> dict[str, str]:
        """As services.request_changes takes them."""
        about = {key: self.cleaned_data[f"about_{key}"] for key in self.answers}
        return {"": self.cleaned_data["general"], **about}


class ApproveForm(ReadForm):
    scopes = forms.MultipleChoiceField(
        label="Capabilities to approve",
        help_text="At most what was asked for. Take the tick from what you do not approve.",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Approve at least one capability, or decline."},
    )
    text = _text(
        "For the applicant", most=MOST_TEXT, rows=4, required=False, help_text="They read this."
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("forms.MultipleChoiceField", self.fields["scopes"]).choices = choices
        self.initial["scopes"] = [scope for scope, _label in choices]


class DeclineForm(ReadForm):
    reason_code = forms.ChoiceField(label="Reason", choices=[("", "Choose a reason"), *_DECLINING])
    text = _text(
        "For the applicant",
        most=MOST_TEXT,
        help_text="They read this: say what was decided, why, and what would change it.",
    )
    may_reapply_from = forms.DateField(
        label="May apply again from",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Leave empty if it makes no difference when.",
    )


class WaitlistForm(ReadForm):
    text = _text(
        "For the applicant",
        most=MOST_TEXT,
        help_text="They read this: that it is good enough, and that a place is missing.",
    )


class DeclareConflictForm(forms.Form):
    kind = forms.ChoiceField(label="Kind", choices=ConflictKind, widget=forms.RadioSelect)
    detail = _text(
        "What ties you",
        most=ConflictOfInterest._meta.get_field("detail").max_length,
        help_text="For staff; applicants never see it.",
    )


class ResolveConflictForm(forms.Form):
    resolution = forms.ChoiceField(
        label="What becomes of it",
        choices=[
            (ConflictResolution.RECUSED, "Recuse: they stay out of this application"),
            (ConflictResolution.WAIVED, "Waive: they may take part"),
        ],
        widget=forms.RadioSelect,
    )


class ReplyForm(forms.Form):
    body = _text("Your message", most=MOST_MESSAGE)
