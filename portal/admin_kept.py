"""An add or change page of the admin that a service refuses is shown again with what was typed."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from portal.errors import DomainError
from portal.refusals import refusal_of


class KeepsWhatWasTyped:
    """Goes before ModelAdmin. Nothing was saved, whatever had gone through before the refusal:
    the page is worked out a second time, with the refusal standing at its top.
    """

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        draw = super().changeform_view  # type: ignore[misc] # mixed into an admin
        try:
            response: HttpResponse = draw(request, *args, **kwargs)
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None or request.method != "POST":
                raise
            request.refusal = refusal  # type: ignore[attr-defined] # for get_form, below
            response = draw(request, *args, **kwargs)
            response.status_code = refusal.status
        return response

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> type[forms.ModelForm]:
        form = super().get_form(request, *args, **kwargs)  # type: ignore[misc] # as above
        refusal = getattr(request, "refusal", None)
        return _refused(form, refusal) if refusal else form


def _refused(form: type[forms.ModelForm], refusal: DomainError) -> type[forms.ModelForm]:
    class Refused(form):  # type: ignore[misc,valid-type] # a class that is known as it runs
        def clean(self) -> Any:
            cleaned = super().clean()
            self.add_error(None, refusal.message)
            return cleaned

    return Refused
