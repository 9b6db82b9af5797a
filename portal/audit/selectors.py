"""Reads of the log."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.audit.models import BY_THEIR_FILE, Event
from portal.audit.presenters import PRESENTERS

# A list page offers this many at most; whoever needs more narrows the search.
MOST_LISTED = 10_000


def timeline(thread: str) -> QuerySet[Event]:
    """Events of one file, newest first."""
    return Event.objects.filter(thread=thread)


def events_about(subject: str, *, thread: str) -> QuerySet[Event]:
    """Events of one thing (a kid, a case) in the file that tells of it, newest first."""
    return timeline(thread).filter(subject=subject)


def threads_of(subjects: Iterable[str], kind: str, since: datetime) -> set[tuple[str, str]]:
    """Which files tell of something of this kind about these subjects, since then: pairs of
    subject and file.
    """
    events = Event.objects.filter(subject__in=set(subjects), kind=kind, at__gte=since)
    return set(events.order_by().values_list("subject", "thread"))


def has_begun() -> bool:
    """Whether the log tells of anything."""
    return Event.objects.exists()


def has_happened(kind: str) -> bool:
    """Whether the log tells of this at all."""
    return Event.objects.filter(kind=kind).exists()


def first_subject(kind: str) -> str:
    """What the first event of this kind is about; there must be one."""
    return Event.objects.filter(kind=kind).order_by("pk").values_list("subject", flat=True)[0]


def search(events: QuerySet[Event], text: str) -> QuerySet[Event]:
    """Events whose subject, file or actor is exactly this reference, kid, or person's address.

    Never a part of one: each part uses its index, however long the log.
    """
    for word in text.split():
        refs = _meant_by(word)
        acts = Q(kind__in=list(PRESENTERS), actor__in=refs)  # the index begins with the kind
        events = events.filter(_about(refs) | Q(thread__in=refs) | acts)
    return events


def _about(subjects: set[str]) -> Q:
    """Whose subject is one of these. Kinds that the index of subjects leaves out are looked for
    in the files that the others name: a key has been asked for before it is revoked.
    """
    others = Q(subject__in=subjects) & ~Q(kind=BY_THEIR_FILE)
    files = set(Event.objects.filter(others).order_by().values_list("thread", flat=True))
    return others | Q(subject__in=subjects, thread__in=files)


def people_in(events: Iterable[Event]) -> dict[str, str]:
    """Reference to name, of the actors and subjects of these events, in one query.

    The log holds references only; whoever was erased since is missing here.
    """
    refs = {ref for event in events for ref in (event.actor, event.subject)}
    people = get_user_model()._default_manager.filter(ref__in=refs)
    return {person.ref: str(person) for person in people}


def actor_name(ref: str, people: dict[str, str]) -> str:
    """What an actor is called on a page."""
    if ref.startswith("system:"):
        return f"The portal ({ref.removeprefix('system:')})"
    return people.get(ref, ref)


def kinds_of(area: str) -> list[str]:
    """Every kind of one area: `credential` gives `credential.claimed` and the others."""
    return [kind for kind in PRESENTERS if kind.partition(".")[0] == area]


def areas() -> list[str]:
    return list(dict.fromkeys(kind.partition(".")[0] for kind in PRESENTERS))


def since(events: QuerySet[Event], hours: int) -> QuerySet[Event]:
    return events.filter(at__gte=timezone.now() - timedelta(hours=hours))


def _meant_by(word: str) -> set[str]:
    """Kids are case-sensitive and stay; references are in capitals; addresses name people."""
    if "@" in word:
        people = get_user_model()._default_manager.filter(email=word.lower())
        return set(people.values_list("ref", flat=True))
    return {word, word.upper() if "-" in word else word}
