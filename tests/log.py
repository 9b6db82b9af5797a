"""What a change wrote into the log, and that nothing private stands there."""

import re
from contextlib import contextmanager

from portal.audit.models import Event

# References, kids, codes, scopes, hashes: no blank, no @, nothing anybody typed freely.
CODE = re.compile(r"[A-Za-z0-9_:.-]{0,64}")


@contextmanager
def written():
    """`with written() as lines:` holds afterwards (kind, subject, thread, actor) of each event."""
    last = Event.objects.order_by("id").last()
    lines = []
    yield lines
    events = Event.objects.filter(id__gt=last.id if last else 0).order_by("id")
    for event in events:
        assert_nothing_private(event)
    lines.extend((e.kind, e.subject, e.thread, e.actor) for e in events)


def events_about(subject):
    """Newest first, in whatever file; pages ask for one file's, by its index."""
    return Event.objects.filter(subject=subject)


def assert_nothing_private(event):
    for value in (event.kind, event.actor, event.subject, event.thread, *_leaves(event.payload)):
        assert value is None or isinstance(value, bool | int) or CODE.fullmatch(value), (
            event.kind,
            value,
        )


def _leaves(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value
