"""The elements on one page, for those who build pages. Only in demo and debug."""

from datetime import datetime, timedelta
from types import SimpleNamespace

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from portal.applications.enums import ApplicationStatus
from portal.credentials.enums import (
    CredentialStatus,
    GrantStatus,
    ItemStatus,
    RevocationStatus,
)
from portal.credentials.usage import Day, Use
from portal.programs.enums import RiskTier

STATES = (
    ("Application", ApplicationStatus),
    ("Grant", GrantStatus),
    ("Credential", CredentialStatus),
    ("Revocation", RevocationStatus),
    ("Key in a revocation", ItemStatus),
)
# Looks like a key and is none: its checksum is wrong.
NOT_A_KEY = "tpk_test_0000000000000000_" + "EXAMPLE" * 7


class GalleryForm(forms.Form):
    name = forms.CharField(label="Your name", help_text="As it stands on your passport.")
    about = forms.CharField(label="About your work", widget=forms.Textarea, required=False)
    tier = forms.ChoiceField(label="Risk tier", choices=RiskTier.choices)
    scopes = forms.MultipleChoiceField(
        label="What you ask for",
        choices=[
            ("model:infer", "model:infer"),
            ("cyber:exploit-analysis", "cyber:exploit-analysis"),
        ],
        widget=forms.CheckboxSelectMultiple,
        help_text="Ask for what you need; you can ask for more later.",
    )
    begins = forms.DateField(label="Begins", widget=forms.DateInput(attrs={"type": "date"}))
    agrees = forms.BooleanField(label="I have read the agreement", help_text="Version 3, May.")


def gallery(request: HttpRequest) -> HttpResponse:
    if not (settings.DEMO or settings.DEBUG):
        raise Http404
    return render(request, "gallery.html", _samples())


def _samples() -> dict[str, object]:
    now = timezone.now()
    return {
        "trail": [("Programmes", "/"), ("Elements", "")],
        "states": STATES,
        "tiers": RiskTier,
        "form": GalleryForm(initial={"name": "Ada Example"}),
        "wrong": GalleryForm({"name": ""}, prefix="wrong"),
        "now": now,
        "facts": [("Reference", "APP-7K3M9Q"), ("Phase", "Trusted testers"), ("Holder", "You")],
        "entries": _entries(now),
        "tasks": _tasks(),
        "thread": _thread(now),
        "steps": ["Your organisation", "Use case", "Check", "Submitted"],
        "bars": [("Submitted", 214), ("In review", 96), ("Approved", 41), ("Declined", 0)],
        "use": _use(now),
        "pages": Paginator(range(240), 20).page(6),
        "not_a_key": NOT_A_KEY,
        "told": _told(),
        "hidden": [("reason", "example")],
        "curl": "curl https://api.example.org/v1/responses \\\n  -H 'Authorization: Bearer …'",
    }


def _entries(now: datetime) -> list[SimpleNamespace]:
    told = [
        ("approved", "Approved", "Reviewers", "Two of the three capabilities asked for."),
        ("in_review", "Taken into review", "Reviewers", ""),
        ("draft", "Draft started", "You", ""),
    ]
    return [
        SimpleNamespace(status=status, title=title, by=by, text=text, at=now - timedelta(days=day))
        for day, (status, title, by, text) in enumerate(told)
    ]


def _use(now: datetime) -> Use:
    used = (0, 1_200, 43_020, 0, 88_400, 120_000, 12_650)
    return Use(
        [
            Day(now.date() - timedelta(days=back), tokens // 40, tokens, tokens // 100_000)
            for back, tokens in reversed(list(enumerate(reversed(used))))
        ]
    )


def _told() -> list[Message]:
    return [
        Message(messages.SUCCESS, "Sent. Our reviewers see it with your application."),
        Message(messages.INFO, "Another key is being prepared. This takes a few seconds."),
        Message(messages.WARNING, "Your access ends in seven days."),
        Message(messages.ERROR, "The key was claimed by somebody else in the meantime."),
    ]


def _thread(now: datetime) -> list[SimpleNamespace]:
    told = [(False, "Has the date moved?"), (True, "It has not. You hear from us on Monday.")]
    return [SimpleNamespace(from_staff=staff, body=body, sent_at=now) for staff, body in told]


def _tasks() -> list[SimpleNamespace]:
    told = [
        ("Your organisation", "#", "done", "Done", ""),
        ("Use case", "#", "started", "2 of 4", "What you will do, and for whom"),
        ("Safeguards", "#", "todo", "To do", ""),
        ("Check and submit", "", "locked", "Not yet", "Opens when the rest is done"),
    ]
    names = ("title", "url", "status", "label", "hint")
    return [SimpleNamespace(**dict(zip(names, values, strict=True))) for values in told]
