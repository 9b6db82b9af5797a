"""Forms about people and organisations. Rules stand in the services."""

import zoneinfo
from functools import cache

from django import forms
from django.http import HttpRequest

from accounts.enums import MemberRole, StaffRole, VerificationKind
from accounts.models import User
from accounts.names import clean_name
from accounts.widgets import LongSelect
from portal.errors import Invalid


@cache
def time_zones() -> list[tuple[str, str]]:
    """Places, with blanks for underscores; codes such as GMT+5 mean what nobody expects."""
    names = sorted(n for n in zoneinfo.available_timezones() if "/" in n and "Etc/" not in n)
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)]


class NameForm(forms.Form):
    """What signing up asks for besides allauth's own fields."""

    name = forms.CharField(
        label="Your name",
        max_length=200,
        help_text="As colleagues and reviewers know you.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    field_order = ("email", "name", "password1")

    def clean_name(self) -> str:
        try:
            return clean_name(self.cleaned_data["name"])
        except Invalid as error:
            raise forms.ValidationError(error.message) from None

    def signup(self, request: HttpRequest, user: User) -> None:
        """Allauth asks for this hook; the adapter has saved the name by now."""


class ProfileForm(forms.Form):
    name = forms.CharField(
        label="Your name",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=time_zones,
        widget=LongSelect,
        help_text="Times are shown in it, with its name.",
    )


class OrganizationForm(forms.Form):
    name = forms.CharField(label="Name", max_length=200, help_text="Its full, official name.")
    website = forms.URLField(label="Website", required=False, max_length=200, assume_scheme="https")
    country = forms.RegexField(
        r"^[A-Za-z]{2}$",
        label="Country",
        required=False,
        help_text="Two letters, for instance DE or JP.",
        error_messages={"invalid": "Type the country's two letters."},
        widget=forms.TextInput(attrs={"autocomplete": "country", "maxlength": 2}),
    )


class InvitationForm(forms.Form):
    email = forms.EmailField(
        label="E-mail address",
        help_text="They join by signing in with this very address.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(label="Role", choices=MemberRole, initial=MemberRole.MEMBER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label="Role", choices=MemberRole)


class StaffRolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        label="Staff roles",
        choices=StaffRole,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Without any, the person can no longer enter the admin.",
    )


class VerificationForm(forms.Form):
    kind = forms.ChoiceField(label="What is proved", choices=VerificationKind)
    source = forms.CharField(
        label="Source", max_length=200, help_text="Where the proof comes from, say a register."
    )
    evidence = forms.CharField(
        label="Evidence",
        help_text="What was seen. Links, not copies of documents.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    valid_until = forms.DateField(
        label="Valid until", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
