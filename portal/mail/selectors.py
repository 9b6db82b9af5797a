"""What is not sent yet, for the staff's page, for /readyz and for the metrics."""

from django.db.models import Count, Min, Q
from django.utils import timezone

from portal.mail.models import OutgoingMail
from portal.owed import Owed


def unfinished_mail() -> Owed:
    alive = Q(dead_at=None)
    due = alive & Q(next_attempt_at__lte=timezone.now())
    found = OutgoingMail.objects.filter(sent_at=None).aggregate(
        waiting=Count("pk", filter=alive),
        since=Min("queued_at", filter=alive),
        due_since=Min("next_attempt_at", filter=due),
        dead=Count("pk", filter=~alive),
    )
    return Owed(**found)
