"""A service's refusal, told beside the form that asked for it: nothing typed is lost."""

from django import forms

from portal.errors import DomainError, Invalid


def tell(form: forms.Form, error: DomainError) -> int:
    """Put the refusal on the fields it names, or above the form; returns the status to answer."""
    fields = error.fields if isinstance(error, Invalid) else {}
    known = {name: text for name, text in fields.items() if name in form.fields}
    for name, text in known.items():
        form.add_error(name, text)
    if not known:
        form.add_error(None, error.message)
    return error.status
