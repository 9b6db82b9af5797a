"""Signing the terms."""

from typing import Any

from django import forms

from portal.programs.models import AgreementVersion


class SignatureForm(forms.Form):
    """A typed name under the text whose hash the page showed."""

    signed_name = forms.CharField(
        label="Your full name",
        help_text="Typing it signs the terms above, exactly this text.",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": "Type your full name to sign."},
    )
    sha256 = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *args: Any, agreement: AgreementVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._agreement = agreement
        # What stands on the page now; what was posted says what its reader saw.
        self.initial["sha256"] = agreement.sha256

    def again(self) -> "SignatureForm":
        """The form for the text that is on the page now, with the name that was typed."""
        name = self.cleaned_data["signed_name"]
        return SignatureForm(agreement=self._agreement, initial={"signed_name": name})
