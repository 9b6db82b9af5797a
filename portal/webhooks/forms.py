"""The form that registers an endpoint. Rules stand in portal.webhooks.targets."""

from django import forms

from portal.webhooks.models import LONGEST_URL


class EndpointForm(forms.Form):
    url = forms.CharField(
        label="Address",
        max_length=LONGEST_URL,
        help_text="It begins with https:// and answers on port 443 or 8443.",
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
