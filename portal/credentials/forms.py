"""What holders say about their keys."""

from collections.abc import Iterable
from typing import Any

from django import forms

from portal.credentials.enums import RevocationReason
from portal.credentials.models import Credential

# Of the reasons, those a holder can know. Misuse and breaches are for staff to find.
_HOLDERS_REASONS = (
    RevocationReason.NO_LONGER_NEEDED,
    RevocationReason.KEY_LEAKED,
    RevocationReason.HOLDER_LEFT,
)


class ClaimForm(forms.Form):
    name = forms.CharField(
        label="A name for this key",
        help_text="So that you can tell it from another: where it will be used, say.",
        max_length=100,
        required=False,
    )


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
