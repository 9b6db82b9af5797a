"""What a device is said to have signed: a form like others, in which anything may stand.

Allauth and fido2 read it as they expect it, and fail on whatever else it is.
"""

import json
import struct
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms as webauthn
from cryptography.exceptions import InvalidSignature
from django import forms

_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    InvalidSignature,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)
_BYTES = (
    *("id", "rawId", "clientDataJSON", "attestationObject"),
    *("authenticatorData", "signature", "userHandle"),
)


def _told(clean: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same, with a refusal in words for what cannot be read or kept."""

    @wraps(clean)
    def told(form: Any) -> Any:
        try:
            credential = form.cleaned_data.get("credential")
            if credential is not None:
                _look_at(credential)
            return clean(form)
        except _UNREADABLE:
            raise get_adapter().validation_error("incorrect_code") from None

    return told


def _look_at(credential: Any) -> None:
    """Raises an error for what must not even be read: in place of bytes a number, for which fido2
    would ask for as much memory, and text that PostgreSQL refuses to keep.
    """
    parts = {**credential, **credential["response"]}
    if not all(isinstance(parts.get(name), str | None) for name in _BYTES):
        raise TypeError
    text = json.dumps(credential, ensure_ascii=False)
    text.encode()  # fails on half a character
    if "\\u0000" in text:
        raise ValueError


class _NotGivenBack(forms.HiddenInput):
    """A signature that was refused is of no use a second time: the page asks for another."""

    def format_value(self, value: Any) -> None:
        return None


class _Signed(forms.JSONField):
    """Django's fails on a number too long, and on brackets too deep, to be read."""

    widget = _NotGivenBack

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except (RecursionError, ValueError):
            wrong = self.error_messages["invalid"]
            raise forms.ValidationError(wrong, "invalid") from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        return data


class AddForm(webauthn.AddWebAuthnForm):
    credential = _Signed()
    clean = _told(webauthn.AddWebAuthnForm.clean)


class SignupForm(webauthn.SignupWebAuthnForm):
    credential = _Signed()
    clean = _told(webauthn.SignupWebAuthnForm.clean)


class LoginForm(webauthn.LoginWebAuthnForm):
    credential = _Signed()
    clean_credential = _told(webauthn.LoginWebAuthnForm.clean_credential)


class ReauthenticateForm(webauthn.ReauthenticateWebAuthnForm):
    credential = _Signed()
    clean_credential = _told(webauthn.ReauthenticateWebAuthnForm.clean_credential)
