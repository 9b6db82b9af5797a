"""Who reads what an event holds beside its kind, for events that tell of opinions and rulings.

The log stands below the apps it speaks of and knows nobody's ties, so the app that does says who
may read; until one has, nobody does.
"""

from collections.abc import Callable
from typing import Any

from portal.audit.models import Event
from portal.verdict import Verdict, allow, deny

Rule = Callable[[Any, str, str], Verdict]  # the reader, the event's kind, its file's reference

KEPT = frozenset({"application", "review"})
_rules: dict[str, Rule] = {}


def ask_before_reading(area: str, rule: Rule) -> None:
    """Have this rule asked before the payload of an event of the area is shown."""
    _rules[area] = rule


def can_read_payload(user: Any, event: Event) -> Verdict:
    area = event.kind.partition(".")[0]
    if area not in KEPT:
        return allow()
    if area not in _rules:
        return deny("no_rule", "It is not known who may read this.")
    return _rules[area](user, event.kind, event.thread)
