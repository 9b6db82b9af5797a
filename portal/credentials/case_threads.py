"""Whom a case has touched, what it says to them, and the threads about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from portal.credentials.enums import CredentialStatus, ItemStatus
from portal.credentials.models import (
    CaseMessage,
    CaseThread,
    Credential,
    Revocation,
    RevocationItem,
)
from portal.credentials.policies import can_revoke_in_bulk
from portal.credentials.selectors import kept_organizations
from portal.verdict import Verdict, allow, deny

_SUSPENDED = deny("account_suspended", "Your account is suspended; write to us by mail.")
_NOT_TOUCHED = deny("not_touched", "None of your keys is in this case.")


def stopped_for(user: User, case: Revocation) -> QuerySet[RevocationItem]:
    """Items of the case whose keys it revoked and that are this person's to know of: their own, and
    those of organisations whose keys they look after. Drills, and cases that were not confirmed,
    have none.
    """
    if case.confirmed_at is None or case.rehearsal:
        return RevocationItem.objects.none()
    theirs = Q(credential__grant__holder=user) | Q(
        credential__grant__organization__in=kept_organizations(user)
    )
    items = case.items.filter(theirs).exclude(status=ItemStatus.SKIPPED)
    related = ("credential__grant__phase__release", "credential__grant__organization")
    return items.select_related(*related, "credential__grant__holder").order_by("pk")


def cases_that_revoked(credential_ids: Iterable[int]) -> dict[int, Revocation]:
    """By key, of these, the case that revoked it and has a page for its people, as `stopped_for`
    shows it to whoever holds the key or looks after it.
    """
    items = RevocationItem.objects.filter(
        credential__in=list(credential_ids),
        revocation__confirmed_at__isnull=False,
        revocation__rehearsal=False,
    ).exclude(status=ItemStatus.SKIPPED)
    return {each.credential_id: each.revocation for each in items.select_related("revocation")}


def what_there_is_instead(items: Iterable[RevocationItem]) -> str:
    """Of the grants of these: `waiting` when a new key can be claimed, `working` when there is one
    already, and nothing.
    """
    grants = [item.credential.grant_id for item in items]
    keys = Credential.objects.filter(grant__in=grants)
    if keys.filter(waiting=True).exists():
        return "waiting"
    in_use = keys.filter(status=CredentialStatus.ACTIVE, expires_at__gt=timezone.now())
    stopped = RevocationItem.objects.filter(
        credential=OuterRef("pk"), revocation__confirmed_at__isnull=False
    )
    return "working" if in_use.exclude(Exists(stopped)).exists() else ""


def can_write_about(user: User, case: Revocation) -> Verdict:
    """Whoever's keys it stopped."""
    if not stopped_for(user, case).exists():
        return _NOT_TOUCHED
    return _SUSPENDED if user.suspended_at or not user.is_active else allow()


def can_answer(user: User) -> Verdict:
    """Reply, and say that something is dealt with: incident responders."""
    return can_revoke_in_bulk(user)


def thread_of(user: User, case: Revocation) -> QuerySet[CaseMessage]:
    """What they wrote about the case, and our answers, the oldest first."""
    return CaseMessage.objects.filter(thread__revocation=case, thread__person=user)


def threads_of(case: Revocation, *, who: str = "") -> QuerySet[CaseThread]:
    """Those with anything unread first, then by their newest message; `who` is a reference."""
    unread = Exists(_unhandled().filter(thread=OuterRef("pk")))
    threads = CaseThread.objects.filter(revocation=case)
    if who:
        threads = threads.filter(person__ref=who)
    return (
        threads.annotate(unread=unread, newest=Max("messages__sent_at"))
        .select_related("person", "handled_by")
        .prefetch_related("messages__author")
        .order_by("-unread", "-newest", "pk")
    )


def _unhandled() -> QuerySet[CaseMessage]:
    later = Q(thread__handled_at__isnull=True) | Q(sent_at__gt=F("thread__handled_at"))
    return CaseMessage.objects.filter(later, from_staff=False)


def unread_in(case: Revocation) -> int:
    """How many threads hold something that nobody has dealt with."""
    unhandled = _unhandled().filter(thread__revocation=case)
    return unhandled.order_by().values("thread").distinct().count()


@dataclass(frozen=True)
class Shown:
    """A thread on staff's page, with the form that answers it."""

    thread: CaseThread
    form: Any
