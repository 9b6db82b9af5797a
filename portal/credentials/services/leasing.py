"""One worker at a time has a piece of long work: by a lease of seconds, and a fence.

Every step locks the row and checks the fence, so a lease never ends in the middle of one, and a
worker that was thought dead and wakes up changes nothing.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

LEASE = timedelta(seconds=15)


class LeaseLostError(Exception):
    """Another worker has the work by now."""


@transaction.atomic
def take_lease(model: Any, row_id: int, statuses: Collection[str] = ()) -> int | None:
    """The fence to write with; None while another worker has the row, or nobody may."""
    now = timezone.now()
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    rows = model.objects.select_for_update(skip_locked=True)
    at_work = Q(status__in=statuses) if statuses else Q()
    row = rows.filter(free, at_work, pk=row_id).first()
    if row is None:
        return None
    row.leased_until, row.fence = now + LEASE, row.fence + 1
    row.save(update_fields=["leased_until", "fence"])
    return int(row.fence)


def held(model: Any, row_id: int, fence: int) -> Any:
    """The row, locked; raises LeaseLostError when it is another worker's by now."""
    try:
        return model.objects.select_for_update().get(pk=row_id, fence=fence)
    except model.DoesNotExist:
        raise LeaseLostError from None
