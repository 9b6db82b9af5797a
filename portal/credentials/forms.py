"""What holders say about their keys."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms

from portal.credentials.enums import RevocationReason
from portal.credentials.models import Credential
from portal.credentials.services.rotating import USUAL_OVERLAP

# Of the reasons, those a holder can know. Misuse and breaches are for staff to find.
_HOLDERS_REASONS = (
    RevocationReason.NO_LONGER_NEEDED,
    RevocationReason.KEY_LEAKED,
    RevocationReason.HOLDER_LEFT,
)


# How long the old key goes on, in hours, once the new one is used.
_OVERLAPS = (
    (str(int(USUAL_OVERLAP.total_seconds() // 3600)), "24 hours"),
    ("1", "1 hour"),
    ("72", "3 days"),
    ("168", "7 days"),
    ("0", "Not at all: the old key leaked. It is revoked at once"),
)


class CaseMessageForm(forms.Form):
    """To staff, about a case."""

    body = forms.CharField(
        label="Your message",
        help_text="Never a key: whoever asks you for one is not us.",
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 5}),
        error_messages={"required": "Write something first."},
    )


class NameForm(forms.Form):
    name = forms.CharField(
        label="A name for this key",
        help_text="So that you can tell it from another: where it will be used, say.",
        max_length=100,
        required=False,
    )


class KeyForm(NameForm):
    """A key about to be made. Where it can do one thing only there is nothing to choose."""

    scopes = forms.MultipleChoiceField(
        label="What this key may do",
        help_text="Leave out what it is not needed for: a key that leaks does less harm so.",
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Choose at least one thing that the key may do.",
            "invalid_choice": "A key can be narrower than what it comes from, never wider.",
        },
    )

    def __init__(self, *args: Any, scopes: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(scopes) > 1:
            field = self.fields["scopes"]
            field.initial = scopes
            field.choices = [(scope, scope) for scope in scopes]  # type: ignore[attr-defined] # a MultipleChoiceField
        else:
            del self.fields["scopes"]


class RotateForm(KeyForm):
    overlap = forms.ChoiceField(
        label="How long should the old key go on?",
        help_text="Counted from the first use of the new key, however long you take to install it.",
        choices=_OVERLAPS,
        initial=_OVERLAPS[0][0],
        widget=forms.RadioSelect,
        error_messages={"required": "Say how long the old key should go on."},
    )

    def clean_overlap(self) -> timedelta:
        """Zero stands for a key that leaked."""
        return timedelta(hours=int(self.cleaned_data["overlap"]))


class RevokeForm(forms.Form):
    reason = forms.ChoiceField(
        label="Why?",
        choices=[(reason.value, reason.label) for reason in _HOLDERS_REASONS],
        widget=forms.RadioSelect,
        error_messages={"required": "Say why; it helps us to protect others."},
    )


class CheckForm(forms.Form):
    """A key of one's own, by its public id, and what one wants to do with it."""

    kid = forms.ChoiceField(label="Key")
    scope = forms.ChoiceField(label="To do what", required=False)

    def __init__(
        self, *args: Any, credentials: Iterable[Credential], scopes: Iterable[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kid"].choices = [(key.kid, _called(key)) for key in credentials]  # type: ignore[attr-defined] # a ChoiceField
        self.fields["scope"].choices = [  # type: ignore[attr-defined] # a ChoiceField
            ("", "Anything at all"),
            *((scope, scope) for scope in scopes),
        ]


def _called(credential: Credential) -> str:
    state = credential.get_status_display().lower()
    return f"{credential.name or 'Key'} {credential.kid}, {state}"
