"""The form that registers a gateway."""

from django import forms

from portal.gateway.models import Gateway
from portal.programs.models import ModelRelease


class RegisterGatewayForm(forms.Form):
    name = forms.CharField(
        max_length=Gateway._meta.get_field("name").max_length,
        help_text="For people, for instance “Edge proxy, Frankfurt”.",
    )
    release = forms.ModelChoiceField(
        ModelRelease.objects.all(),
        help_text="The gateway sees keys of this model only.",
    )
    sandbox = forms.BooleanField(
        label="Sandbox",
        help_text="Takes test keys as well as live ones. Tick it only where no real model answers.",
        required=False,
    )
