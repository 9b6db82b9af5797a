"""Tones, zones, and the elements that decide something."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone

from portal.applications.enums import ApplicationStatus
from portal.credentials.enums import (
    CredentialStatus,
    GrantStatus,
    ItemStatus,
    RevocationStatus,
)
from portal.reviews.enums import ConflictKind, ConflictResolution, Outcome, Recommendation
from portal.templatetags.elements import TONES, breaking, peak, tone, zone

STATES = [
    *ApplicationStatus,
    *GrantStatus,
    *CredentialStatus,
    *RevocationStatus,
    *ItemStatus,
    *Recommendation,
    *Outcome,
    *ConflictKind,
    *ConflictResolution,
]
SUMMER = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_every_state_has_a_tone():
    assert {str(state) for state in STATES} - set(TONES) == set()


def test_approved_and_revoked_do_not_look_alike():
    assert (tone("approved"), tone("revoked"), tone("expired")) == ("good", "bad", "over")


def test_an_unknown_state_looks_like_a_draft():
    assert tone("unheard-of") == "draft"


@pytest.mark.parametrize(
    ("place", "name"), [("UTC", "UTC"), ("Europe/Berlin", "CEST"), ("Asia/Dubai", "UTC+04")]
)
def test_the_zone_is_named(place, name):
    with timezone.override(ZoneInfo(place)):
        assert zone(SUMMER) == name


def test_a_moment_is_shown_in_the_reader_s_zone():
    with timezone.override(ZoneInfo("Europe/Berlin")):
        shown = render_to_string("elements/time.html", {"moment": SUMMER})
    assert shown.strip() == (
        '<time datetime="2026-07-01T14:00:00+02:00">1 July 2026, 14:00 CEST</time>'
    )


def test_bars_are_drawn_against_the_longest():
    assert peak([("a", 3), ("b", 7)]) == 7
    assert peak([("a", 0)]) == 1
    assert peak([]) == 1


def test_pages_keep_what_was_searched_for():
    page = Paginator(range(100), 10).page(5)
    request = RequestFactory().get("/list/?q=ada&page=5")
    shown = render_to_string("elements/pagination.html", {"page": page}, request)
    assert 'href="?q=ada&amp;page=6"' in shown
    assert shown.count('aria-current="page"') == 1


class Form(forms.Form):
    name = forms.CharField(label="Your name")
    tier = forms.ChoiceField(
        label="Tier", choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect, help_text="One."
    )


def test_errors_are_linked_to_their_fields():
    shown = Form({"name": ""}).render()
    assert '<a href="#id_name">Your name: This field is required.</a>' in shown
    assert 'id="id_name"' in shown
    assert '<a href="#id_tier">Tier: This field is required.</a>' in shown
    assert 'id="id_tier"' in shown


def test_a_form_without_errors_has_no_summary():
    assert "error-summary" not in Form().render()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ada@example.org", "ada<wbr>@example.org"),
        (
            "https://example.org/in/a?b=<c>",
            "https://example<wbr>.org/<wbr>in/<wbr>a?b=&lt;c&gt;",
        ),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_addresses_break_at_their_joints(address, shown):
    assert breaking(address) == shown
