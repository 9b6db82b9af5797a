"""What is not sent yet, for the staff's page and for /readyz."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Min, Q
from django.utils import timezone

from portal.mail.models import OutgoingMail


@dataclass(frozen=True, slots=True)
class UnfinishedMail:
    """`oldest` is None when nothing waits; `dead` were given up and wait for a person."""

    waiting: int
    oldest: timedelta | None
    dead: int


def unfinished_mail() -> UnfinishedMail:
    alive = Q(dead_at=None)
    found = OutgoingMail.objects.filter(sent_at=None).aggregate(
        waiting=Count("pk", filter=alive),
        since=Min("queued_at", filter=alive),
        dead=Count("pk", filter=~alive),
    )
    oldest = timezone.now() - found["since"] if found["since"] else None
    return UnfinishedMail(found["waiting"], oldest, found["dead"])
