"""What the elements cannot say in template language: the tone of a state, a zone's name."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

register = template.Library()

# Before an @; in a server's address before its host's dots and after its path's slashes.
_JOINTS = re.compile(r"(?=@)")
_JOINTS_OF_URL = re.compile(r"(?<=[^/:]/)|(?=\.)")

# How a state feels. Each tone has its own mark (templates/elements/icon.html) beside its colour.
# A state means the same wherever it stands, so one table serves every app.
_STATES: dict[str, frozenset[str]] = {
    "draft": frozenset({"draft", "drafted", "todo", "potential", "chosen"}),
    "waiting": frozenset(
        {"submitted", "in_review", "appealed", "scheduled", "activating", "requested"}
        | {
            "running",
            "pending",
            "waiting",
            "previewed",
            "awaiting_second",
            "started",
            "apparent",
            "made",
        }
    ),
    "action": frozenset({"changes_requested", "ready", "open", "frozen"}),
    "good": frozenset(
        {"approved", "granted", "active", "completed", "done", "approve", "waived", "verified"}
        | {"delivered", "on", "told"}
    ),
    "paused": frozenset(
        {"waitlisted", "suspended", "completed_with_stragglers", "halted", "blocked", "recused"}
    ),
    "bad": frozenset(
        {"declined", "declined_final", "revoked", "activation_failed", "failed", "decline", "real"}
        | {"given_up", "refused"}
    ),
    "over": frozenset(
        {
            "withdrawn",
            "expired",
            "lapsed",
            "ended",
            "retired",
            "cancelled",
            "skipped",
            "locked",
            "off",
            "dropped",
            "left_out",
        }
    ),
}
TONES: dict[str, str] = {state: tone for tone, states in _STATES.items() for state in states}


@register.filter
def tone(status: str) -> str:
    """Return the tone of a state; one that is not listed looks like a draft."""
    return TONES.get(str(status), "draft")


@register.filter
def breaking(address: str) -> SafeString:
    """Let an address of a person or a server break at its joints rather than within a word."""
    joints = _JOINTS_OF_URL if "://" in address else _JOINTS
    return format_html_join(SafeString("<wbr>"), "{}", ((part,) for part in joints.split(address)))


@register.filter
def zone(moment: datetime) -> str:
    """Return the name of the reader's zone at that moment: CET, or UTC+04 where it has no name."""
    name = timezone.localtime(moment).tzname() or "UTC"
    return name if name[0].isalpha() else f"UTC{name}"


@register.filter
def peak(bars: Iterable[tuple[Any, int]]) -> int:
    """Return the largest value of (label, value) pairs, at least 1, to draw the others against."""
    return max([1, *(value for _, value in bars)])
