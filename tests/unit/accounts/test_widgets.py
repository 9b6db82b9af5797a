"""A long select says what Django's own says."""

from html.parser import HTMLParser

import pytest
from django import forms

from accounts.forms import ProfileForm, time_zones
from accounts.widgets import LongSelect

CHOICES = [("a", "Ända"), ("b<", '<i>B</i> & "b"'), ("c", "C")]


class Options(HTMLParser):
    """The select's attributes, and (attributes, words) of each option."""

    def __init__(self, html):
        super().__init__()
        self.select, self.options = None, []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "select":
            self.select = dict(attrs)
        else:
            assert tag == "option"
            self.options.append([dict(attrs), ""])

    def handle_data(self, data):
        if self.options and data.strip():
            self.options[-1][1] += data


def drawn(widget, value):
    found = Options(
        widget(choices=CHOICES, attrs={"required": True}).render("x", value, {"id": "i"})
    )
    return found.select, found.options


@pytest.mark.parametrize("value", ["a", "b<", None, "unknown"])
def test_it_draws_what_djangos_own_draws(value):
    assert drawn(LongSelect, value) == drawn(forms.Select, value)


def test_the_profile_chooses_among_all_zones():
    shown = Options(str(ProfileForm(initial={"time_zone": "Europe/Oslo"})["time_zone"]))
    assert [given["value"] for given, _words in shown.options] == [key for key, _ in time_zones()]
    chosen = [given["value"] for given, _words in shown.options if "selected" in given]
    assert chosen == ["Europe/Oslo"]
