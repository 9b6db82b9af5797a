"""Telling keepers that a key is about to expire: 14, 7 and 1 days before, each once.

`remind_at` holds the next of these moments, so the sweep looks only at keys that are due, and
moving it in the transaction that queues the mail is what makes each be told once.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from portal.audit.services import Actor
from portal.credentials import notices
from portal.credentials.enums import CredentialStatus
from portal.credentials.models import Credential

REMINDERS = (timedelta(days=14), timedelta(days=7), timedelta(days=1))
# Whoever has just claimed a key was told on that page until when it is good.
_JUST_TOLD = timedelta(days=1)
BATCH = 100


@transaction.atomic
def remind_of_expiry(*, by: Actor) -> int:
    """Tell the keepers of keys that are due, of the most urgent only; returns how many keys.

    Bounded batches that skip rows somebody holds: safe to run twice, at once and late. Of a key
    that was rotated nobody is told: the one in its place has reminders of its own.
    """
    now = timezone.now()
    due = (
        Credential.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("grant__phase__release", "grant__holder", "grant__organization")
        .filter(put_away=False, status=CredentialStatus.ACTIVE, remind_at__lte=now)
        .order_by("remind_at")[:BATCH]
    )
    for credential in due:
        if credential.expires_at and credential.expires_at > now:
            _remind(credential, now)
        else:
            credential.remind_at = None
        credential.save(update_fields=["remind_at"])
    return len(due)


def _remind(credential: Credential, now: datetime) -> None:
    """Say how long it is until the end, then wait for the next moment that is still to come."""
    if not credential.replaced_by.filter(status=CredentialStatus.ACTIVE).exists():
        notices.key_expiring(credential, now=now)
    expires_at = credential.expires_at or now
    credential.remind_at = _next_reminder(expires_at, after=now)


def first_reminder(claimed_at: datetime, expires_at: datetime) -> datetime | None:
    """When the keepers of a key are first told of its end; None for one that lives too shortly."""
    return _next_reminder(expires_at, after=claimed_at + _JUST_TOLD)


def _next_reminder(expires_at: datetime, *, after: datetime) -> datetime | None:
    moments = [expires_at - early for early in REMINDERS]
    return next((moment for moment in moments if moment > after), None)
