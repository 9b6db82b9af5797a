"""What staff say who re-issue keys after a case."""

from typing import Any

from django import forms

from portal.credentials.admin_forms import why_by_kid
from portal.credentials.models import Reissue, Revocation
from portal.credentials.reissuable import partners_in
from portal.credentials.services import reissue_word_of
from portal.credentials.targets import cut_keys
from portal.redaction import redact


class ReissueForm(forms.Form):
    """For whom, but not for whom, and a note. A whole key pasted by mistake is cut first."""

    chosen = forms.ChoiceField(
        label="For whom",
        required=False,
        help_text="One new key for each grant of theirs that lost one in this case.",
    )
    exclusions = forms.CharField(
        label="But not for these",
        help_text="One a line: the id of a key of this case, then why its grant gets no new one.",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
    )
    note = forms.CharField(
        help_text="Why it is safe to give keys again, for colleagues and auditors. Partners never"
        " see it.",
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why it is safe to give keys again."},
    )

    def __init__(self, data: Any = None, *, case: Revocation) -> None:
        if data is not None:
            data = data.copy()
            data["exclusions"] = cut_keys(data.get("exclusions", ""))
            for name in ("exclusions", "note"):
                data[name] = redact(data.get(name, ""))
        super().__init__(data)
        partners = partners_in(case)
        every = f"Every partner ({sum(count for _ref, _name, count in partners):,})"
        chosen: Any = self.fields["chosen"]
        chosen.choices = [
            ("", every),
            *((ref, f"{name} ({count:,})") for ref, name, count in partners),
        ]

    def clean_exclusions(self) -> dict[str, str]:
        """Why, by kid."""
        return why_by_kid(self.cleaned_data["exclusions"])


class ReissueConfirmForm(forms.Form):
    """The count and a word, typed, and the digest of the preview that was looked at."""

    typed_count = forms.CharField(
        label="Type the number of new keys",
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": "Nothing was re-issued. Type the number of keys to confirm."},
    )
    typed_word = forms.CharField(
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Nothing was re-issued. Type the word to confirm."},
    )
    digest = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, data: Any = None, *, reissue: Reissue) -> None:
        super().__init__(data, initial={"digest": reissue.digest})
        self.fields["typed_word"].label = f"Type the word “{reissue_word_of(reissue.digest)}”"
