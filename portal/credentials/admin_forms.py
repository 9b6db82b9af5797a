"""What staff say when they end grants and keys."""

import csv
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from portal.credentials.enums import RevocationReason, RevocationStatus, Severity
from portal.credentials.levels import LEVELS
from portal.credentials.lines import Lines, read_lines
from portal.credentials.models import Revocation
from portal.credentials.selectors import is_beyond_cap
from portal.credentials.services import word_of
from portal.credentials.targets import Selector, cut_keys, known_kids, pick_kids, values_of
from portal.programs.models import Capability, ModelRelease, RolloutPhase
from portal.redaction import redact

_LONGEST = 100_000  # letters of references to as many as one criterion may name
_NO_TEXT = "This is not a text file. Save it as CSV in UTF-8."
_NO_TABLE = (
    "This cannot be read as a table: a quotation mark is out of place. Correct it, or leave only"
    " the key ids."
)
_AROUND_KIDS = ",;:\"'`"
_ANY = "Several may be chosen, and one has to fit; none is any."
_SEVERAL = "Of several, with ; between them, one has to fit."
_CHOSEN = ("release", "phase", "capability")  # from what there is
_TIMES = ("issued_from", "issued_until", "used_from", "used_until")
CRITERIA = (*_CHOSEN, "organization", "person", "application", "reviewer", *_TIMES)
# Where somebody might paste a whole key by mistake.
_WORDS = ("title", "organization", "person", "application", "reviewer", "exclusions", "note")


def why_by_kid(text: str) -> dict[str, str]:
    """Of lines that hold a key id, then why."""
    spared = {}
    for line in text.splitlines():
        kid, _, why = line.strip().partition(" ")
        kid = kid.strip(_AROUND_KIDS)
        if kid:
            spared[kid] = why.strip()
    return spared


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
        help_text="Part of its name or address, or its reference. Leave it empty for a list.",
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


def _text_of_some(label: str, help_text: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        help_text=f"{help_text}. {_SEVERAL}",
        required=False,
        max_length=_LONGEST,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


def _some_of(label: str) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        help_text=_ANY,
        required=False,
        widget=forms.SelectMultiple(attrs={"size": 4}),
    )


def _moment(label: str, help_text: str = "") -> forms.DateTimeField:
    return forms.DateTimeField(
        label=label,
        help_text=help_text,
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


class SelectorForm(forms.Form):
    """Whom a case of revocation hits, and why. Of the criteria every one that is given holds.

    A whole key that somebody pastes is cut to its kid before anything else happens: no error
    page, no row and no log ever holds its secret.
    """

    title = forms.CharField(
        help_text="How colleagues will speak of it: “Keys in the dump of 12 May”.",
        max_length=120,
        error_messages={"required": "Give the case a name."},
    )
    severity = forms.ChoiceField(choices=Severity.choices, initial=Severity.HIGH)
    release = _some_of("Release")
    phase = _some_of("Phase")
    capability = _some_of("Capability")
    organization = forms.CharField(
        label="Organisation",
        help_text=f"Its name, or its reference (ORG-…). {_SEVERAL}",
        required=False,
        max_length=_LONGEST,
        widget=forms.TextInput(attrs={"list": "organizations", "autocomplete": "off"}),
    )
    person = _text_of_some("Person", "An e-mail address, or a reference (USR-…)")
    application = _text_of_some("Application", "Its reference (APP-…)")
    reviewer = _text_of_some(
        "Ruled on by", "Who ruled on it: an e-mail address, or a reference (USR-…)"
    )
    issued_from = _moment("Issued from", "Times are in your own time zone.")
    issued_until = _moment("Issued before")
    used_from = _moment("Last used from", "Last use is known to ten minutes.")
    used_until = _moment("Last used before")
    kids = forms.CharField(
        label="Key ids",
        help_text="Paste them as they come: lines, commas, whole keys. Of a whole key only the id"
        " is kept, never the secret.",
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
    )
    file = forms.FileField(
        label="Or a CSV file",
        help_text="One key id a line, or a column named kid. At most 20 MB. The preview counts its"
        " lines; the number below does not.",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
    )
    skip_odd = forms.BooleanField(
        label="Leave out lines that are no key of ours",
        help_text="Otherwise every line has to be one.",
        required=False,
    )
    exclusions = forms.CharField(
        label="Keys to leave alive",
        help_text="One a line: the key id, then why. For instance: 4f9K… runs the clinic's"
        " night service, warned by phone.",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
    )
    rehearsal = forms.BooleanField(
        label="This is a drill",
        help_text="Only keys to test die, and no partner is told.",
        required=False,
    )
    reason = forms.ChoiceField(
        help_text="Holders are told these words.",
        choices=[("", "Choose…"), *RevocationReason.choices],
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
        self._pasted = self._filed = Lines([])
        self.lists_kids = bool(files and files.get("file"))
        super().__init__(self._without_secrets(data), files, initial=initial)
        phases = RolloutPhase.objects.select_related("release")
        self._offer("release", ModelRelease.objects.all(), str)
        self._offer("phase", phases, str)
        scopes = Capability.objects.order_by("scope").values_list("scope", flat=True).distinct()
        capability = self.fields["capability"]
        capability.choices = [(scope, scope) for scope in scopes]  # type: ignore[attr-defined] # a ChoiceField

    def _without_secrets(self, data: Any) -> Any:
        if data is None:
            return None
        safe = data.copy()
        kids, self.odd_lines = pick_kids(safe.get("kids", ""))
        self._pasted = read_lines(safe.get("kids", ""), table=False)
        self.lists_kids = self.lists_kids or bool(safe.get("kids", "").strip())
        safe["kids"] = "\n".join(kids)
        safe["exclusions"] = cut_keys(safe.get("exclusions", ""))
        for name in _WORDS:
            safe[name] = redact(safe.get(name, ""))
        return safe

    def _offer(self, name: str, rows: Iterable[Any], words: Callable[[Any], str]) -> None:
        field = self.fields[name]
        field.choices = [(row.ref, words(row)) for row in rows]  # type: ignore[attr-defined] # a ChoiceField

    def clean_file(self) -> list[str]:
        """The kids in the file; lines that hold none are told of, or left out where asked."""
        upload = self.cleaned_data["file"]
        if upload is None:
            return []
        if upload.size > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
            raise forms.ValidationError("The file is larger than 20 MB. Leave only the key ids.")
        text = _text(upload)
        try:
            self._filed = filed = read_lines(text)
        except csv.Error:
            raise forms.ValidationError(_NO_TABLE) from None
        if filed.odd and not self.data.get("skip_odd"):
            raise forms.ValidationError(
                f"{_no_ids(filed.odd, of=' of the file')}. Correct the file, or leave such lines"
                " out by the box below."
            )
        return filed.kids

    def clean_exclusions(self) -> dict[str, str]:
        """Why, by kid."""
        return why_by_kid(self.cleaned_data["exclusions"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.odd_words:
            were = "was" if len(self.odd_lines) == 1 else "were"
            told = f"{self.odd_words} and {were} taken out. Nothing has happened"
            self.add_error("kids", f"{told} yet: check what is left, then preview again.")
        if self.lists_kids and not {"kids", "file"} & set(self.errors) and not self.selector.kids:
            # An empty list must never fall away and leave the other criteria to hit more.
            self.add_error("kids", "None of these is a key of ours. Nothing has happened.")
        return cleaned

    @property
    def odd_words(self) -> str:
        """Which lines of what was pasted stop a preview."""
        skipped = not self.odd_lines or self.cleaned_data.get("skip_odd")
        return "" if skipped else _no_ids(self.odd_lines)

    @property
    def listed(self) -> Lines | None:
        """The lines pasted, then those of the file; None where no list was given."""
        return self._pasted + self._filed if self.lists_kids else None

    @property
    def selector(self) -> Selector:
        """What was chosen; unknown kids are left out where asked. Of what was pasted the kids count
        even where a line beside them is refused: without them the rest would name more.
        """
        given = {name: _together(self.cleaned_data.get(name)) for name in CRITERIA}
        kids = "\n".join([self.data.get("kids", ""), *self.cleaned_data.get("file", [])])
        if self.cleaned_data.get("skip_odd"):
            kids = "\n".join(sorted(known_kids(kids)))
        given["kids"] = kids.strip()
        return Selector(**{name: value for name, value in given.items() if value})


class ConfirmForm(forms.Form):
    """The count and a word, typed, and the digest of the preview that was looked at."""

    typed_count = forms.CharField(
        label="Type the number of keys",
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": "Nothing was revoked. Type the number of keys to confirm."},
    )
    typed_word = forms.CharField(
        label="Type the word",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Nothing was revoked. Type the word to confirm."},
    )
    beyond_cap = forms.CharField(
        label="Why so many at once",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": "Nothing was revoked. Say why so many keys have to die."},
    )
    digest = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, data: Any = None, *, case: Revocation) -> None:
        super().__init__(data, initial={"digest": case.digest})
        asked = case.status == RevocationStatus.AWAITING_SECOND  # the first has said why
        if asked or not is_beyond_cap(case):
            del self.fields["beyond_cap"]
        self.fields["typed_word"].label = f"Type the word “{word_of(case.digest)}”"


def filled_in(given: Mapping[str, str | list[str]]) -> dict[str, Any]:
    """What the fields begin with, of the values of each criterion."""
    shown: dict[str, Any] = {}
    for name, values in ((name, values_of(value)) for name, value in given.items()):
        if name in _CHOSEN:
            shown[name] = values
        elif name == "kids":
            shown[name] = "\n".join(values)
        elif name in CRITERIA and name not in _TIMES and values:
            shown[name] = "; ".join(values)
    return shown


def _together(value: Any) -> Any:
    return "\n".join(value) if isinstance(value, list) else value


def _text(upload: UploadedFile) -> str:
    try:
        return upload.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise forms.ValidationError(_NO_TEXT) from None


def _no_ids(numbers: list[int], *, of: str = "") -> str:
    """“Line 3 of the file is not a key id”, “Lines 3, 8, 9 are not key ids”."""
    if len(numbers) == 1:
        return f"Line {numbers[0]}{of} is not a key id"
    shown = ", ".join(str(number) for number in numbers[:5])
    more = f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else ""
    return f"Lines {shown}{more}{of} are not key ids"
