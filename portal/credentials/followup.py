"""What is still to do once the keys of a case are dead, counted anew whenever somebody looks.

None of it is stored, so nothing has to be ticked off: a line goes away when what it counts is done.
In a drill nobody is told, nobody answers and nobody gets a new key, so it has fewer lines.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from portal.credentials import doors
from portal.credentials.case_threads import unread_in
from portal.credentials.enums import FreezeLevel, GrantStatus, ItemStatus, KeyKind
from portal.credentials.headway import Headway
from portal.credentials.levels import in_force, with_names, words_of
from portal.credentials.lifecycle import LIVE
from portal.credentials.models import Credential, Grant, Revocation
from portal.credentials.targets import values_of
from portal.webhooks.selectors import Told

Answer = tuple[str, int]  # of a door that was asked: its name, and how many keys it let through


@dataclass(frozen=True, slots=True)
class Todo:
    """So many of something, and where it is seen to."""

    words: str
    count: int
    address: str


def follow_up(
    case: Revocation, done: Headway, machines: Told, answers: Iterable[Answer]
) -> list[Todo]:
    """What hurts most first; nothing while a case is not confirmed. A fixed number of statements.

    `answers` are those of the newest proof, of doors that are still there.
    """
    if not case.confirmed_at:
        return []
    found = [*_at_doors(case, list(answers)), *_keys(case, done)]
    if not case.rehearsal:
        found += [*_untold(case, done, machines), *_partners(case)]
    return [each for each in [*found, *_freezes(case)] if each.count]


def _at_doors(case: Revocation, answers: list[Answer]) -> Iterator[Todo]:
    for name, let_through in answers:
        yield Todo(f"Keys that {name} still let through", let_through, _on_page(case, "proof"))
    if not answers:
        unasked = len(doors.registered())
        yield Todo("Doors that were not asked about the keys yet", unasked, _on_page(case, "proof"))


def _keys(case: Revocation, done: Headway) -> Iterator[Todo]:
    unmarked = done.counts[ItemStatus.FROZEN]
    yield Todo("Dead keys that are not marked yet", unmarked, _on_page(case, "headway"))
    if not case.rehearsal:
        spared = case.exclusions.filter(credential__status__in=LIVE).count()
        yield Todo("Keys that were left alive", spared, _on_page(case, "case"))


def _untold(case: Revocation, done: Headway, machines: Told) -> Iterator[Todo]:
    here, paused = _on_page(case, "headway"), " (telling is paused)" if case.paused_at else ""
    waiting = done.parties - done.told - done.failing
    yield Todo(f"Partners who are not told yet{paused}", waiting, here)
    yield Todo("Partners who could not be told so far", done.failing, here)
    yield Todo("Mails given up: tell these people in another way", done.post.given_up, here)
    yield Todo(f"Mails still to leave{paused}", done.post.waiting, here)
    yield Todo("Webhooks given up: tell these partners in another way", machines.given_up, here)
    yield Todo("Webhooks still to arrive", machines.waiting, here)


def _partners(case: Revocation) -> Iterator[Todo]:
    answers = reverse("admin:credentials_revocation_answers", args=[case.ref])
    yield Todo("Answers that nobody has dealt with", unread_in(case), answers)
    without = _grants_without_keys(case).count()
    words = "Grants in force that have no key: re-issue, or end them"
    yield Todo(words, without, _on_page(case, "reissues"))


def _grants_without_keys(case: Revocation) -> QuerySet[Grant]:
    """In force, without a live key or a slot since the case; keys to test need nobody."""
    live = Credential.objects.filter(grant=OuterRef("pk"), kind=KeyKind.LIVE, status__in=LIVE)
    marked = case.items.exclude(status=ItemStatus.FROZEN).filter(credential__kind=KeyKind.LIVE)
    in_force = Grant.objects.filter(status=GrantStatus.ACTIVE, ends_at__gt=timezone.now())
    return in_force.filter(~Exists(live), pk__in=marked.order_by().values("credential__grant"))


def _freezes(case: Revocation) -> Iterator[Todo]:
    """In force over what the keys were chosen by; one over everything has its banner."""
    over = Q()
    for level in FreezeLevel.values:
        if level in case.selector:
            over |= Q(level=level, target__in=values_of(case.selector[level]))
    if not over:
        return
    for freeze in with_names(in_force().filter(over)).order_by("pk"):
        address = reverse("admin:credentials_freeze_change", args=[freeze.ref])
        yield Todo(f"Freeze in force over {words_of(freeze)}", 1, address)


def _on_page(case: Revocation, part: str) -> str:
    return f"{reverse('admin:credentials_revocation_change', args=[case.ref])}#{part}"
