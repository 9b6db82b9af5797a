"""What staff say when they end grants and keys."""

import csv
from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from portal.credentials.casebook import BY
from portal.credentials.enums import RevocationReason
from portal.credentials.levels import LEVELS
from portal.credentials.selectors import Selector, pick_kids
from portal.programs.models import ModelRelease, RolloutPhase
from portal.redaction import redact

BIGGEST_FILE = 2_500_000  # bytes; what is larger would be laid down on disk by the server
_CHOOSE = ("", "Choose…")
_NAMES_OF_KIDS = ("kid", "key", "key_id", "key id")


class ReasonForm(forms.Form):
    """Why one thing is revoked. The holder is told the words of the reason."""

    reason = forms.ChoiceField(
        label="Reason",
        help_text="The holder is told these words.",
        choices=RevocationReason.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a reason."},
    )


class AimForm(forms.Form):
    """What to freeze: a level, and words to look for."""

    level = forms.ChoiceField(
        label="What to freeze",
        choices=[(level, known.noun) for level, known in LEVELS.items()],
        widget=forms.RadioSelect,
        error_messages={"required": "Say what to freeze."},
    )
    text = forms.CharField(
        label="Which one",
        help_text="Part of its name or address, or its reference. Leave it empty to see the first.",
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class FreezeForm(forms.Form):
    """Why. What is frozen stands in the address of the page, which shows it."""

    reason = forms.CharField(
        help_text="What happened, for colleagues and auditors. Partners never see it.",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Nothing was frozen yet. Say why."},
    )


class SelectorForm(forms.Form):
    """Whom a case of revocation hits, and why.

    A whole key that somebody pastes is cut to its kid before anything else happens: no error
    page, no row and no log ever holds its secret.
    """

    by = forms.ChoiceField(
        label="Choose keys by",
        choices=list(BY.items()),
        widget=forms.RadioSelect,
        initial="kids",
        error_messages={"required": "Say how you choose the keys."},
    )
    release = forms.ChoiceField(required=False)
    phase = forms.ChoiceField(required=False)
    organization = forms.CharField(
        label="Organisation",
        help_text="Its name, or its reference: ORG-…",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"list": "organizations", "autocomplete": "off"}),
    )
    person = forms.CharField(
        help_text="An e-mail address, or a reference: USR-…",
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    kids = forms.CharField(
        label="Key ids",
        help_text="Paste them as they come: lines, commas, whole keys. Of a whole key only the id"
        " is kept, never the secret.",
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
    )
    file = forms.FileField(
        label="Or a CSV file",
        help_text="One key id a line, or a column named kid. At most 2.5 MB.",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
    )
    reason = forms.ChoiceField(
        help_text="Holders are told these words.",
        choices=[_CHOOSE, *RevocationReason.choices],
        error_messages={"required": "Choose a reason."},
    )
    note = forms.CharField(
        help_text="What happened, for colleagues and auditors. Holders never see it.",
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(
        self, data: Any = None, files: Any = None, *, initial: dict[str, Any] | None = None
    ) -> None:
        self.odd_lines: list[int] = []
        super().__init__(self._without_secrets(data), files, initial=initial)
        phases = RolloutPhase.objects.select_related("release")
        self._offer("release", ModelRelease.objects.all(), str)
        self._offer("phase", phases, str)

    def _without_secrets(self, data: Any) -> Any:
        if data is None:
            return None
        safe = data.copy()
        kids, self.odd_lines = pick_kids(safe.get("kids", ""))
        safe["kids"] = "\n".join(kids)
        for name in ("organization", "person", "note"):
            safe[name] = redact(safe.get(name, ""))
        return safe

    def _offer(self, name: str, rows: Iterable[Any], words: Callable[[Any], str]) -> None:
        field = self.fields[name]
        field.choices = [_CHOOSE, *((row.ref, words(row)) for row in rows)]  # type: ignore[attr-defined] # a ChoiceField

    def clean_file(self) -> list[str]:
        """The kids in the file."""
        upload = self.cleaned_data["file"]
        if upload is None:
            return []
        if upload.size > BIGGEST_FILE:
            raise forms.ValidationError("The file is larger than 2.5 MB. Leave only the key ids.")
        kids, odd = pick_kids(_column_of_kids(_text(upload)))
        if odd:
            raise forms.ValidationError(f"{_lines(odd)} of the file not a key id. Correct it.")
        return kids

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        by = cleaned.get("by")
        if by == "kids":
            self._check_kids(cleaned)
        elif by and by not in self.errors and not cleaned.get(by):
            self.add_error(by, f"Say which {BY[by].lower()}.")
        return cleaned

    def _check_kids(self, cleaned: dict[str, Any]) -> None:
        if self.odd_lines:
            told = f"{_lines(self.odd_lines)} not a key id and was taken out. Nothing has happened"
            self.add_error("kids", f"{told} yet: check what is left, then preview again.")
        elif "file" not in self.errors and not (cleaned.get("kids") or cleaned.get("file")):
            self.add_error("kids", "Paste at least one key id, or choose a file.")

    @property
    def selector(self) -> Selector:
        by = self.cleaned_data["by"]
        if by == "kids":
            return Selector(by, "\n".join([self.cleaned_data["kids"], *self.cleaned_data["file"]]))
        return Selector(by, self.cleaned_data[by])


class ConfirmForm(forms.Form):
    """The count, typed, and the digest of the preview that was looked at."""

    typed_count = forms.CharField(
        label="Type the number of keys",
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": "Nothing was revoked. Type the number of keys to confirm."},
    )
    digest = forms.CharField(widget=forms.HiddenInput, max_length=64)


def _text(upload: UploadedFile) -> str:
    try:
        return upload.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise forms.ValidationError("This is not a text file. Save it as CSV in UTF-8.") from None


def _column_of_kids(text: str) -> str:
    """The column named kid, where the first line names columns; else everything."""
    lines = text.splitlines()
    for separator in (",", ";", "\t"):
        names = [name.strip().strip('"').lower() for name in (lines or [""])[0].split(separator)]
        index = next((names.index(name) for name in _NAMES_OF_KIDS if name in names), None)
        if index is not None:
            rows = csv.reader(lines[1:], delimiter=separator)
            return "\n".join(["", *(row[index] if len(row) > index else "" for row in rows)])
    return text


def _lines(numbers: list[int]) -> str:
    """Lines 3, 8 and 9 are; Line 3 is."""
    if len(numbers) == 1:
        return f"Line {numbers[0]} is"
    shown = ", ".join(str(number) for number in numbers[:5])
    more = f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else ""
    return f"Lines {shown}{more} are"
