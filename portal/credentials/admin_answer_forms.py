"""What staff say to a partner about a case."""

from typing import Any

from django import forms
from django.db.models import TextChoices

from portal.credentials.models import CaseThread


class AnswerMark(TextChoices):
    REPLY = "reply", "Reply"
    HANDLED = "handled", "Dealt with"
    REOPEN = "reopen", "Mark as unread"


class AnswerForm(forms.Form):
    """One form a thread, with a button an act; it says which message its page showed last."""

    body = forms.CharField(
        label="Your reply",
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    who = forms.CharField(max_length=16, widget=forms.HiddenInput)
    seen = forms.CharField(max_length=16, widget=forms.HiddenInput)
    act = forms.ChoiceField(choices=AnswerMark.choices, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, thread: CaseThread | None = None) -> None:
        initial = {}
        if thread:
            last = list(thread.messages.all())[-1]
            initial = {"who": thread.person.ref, "seen": last.ref}
        super().__init__(data, initial=initial)
