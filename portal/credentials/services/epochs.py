"""Epochs are looked back at for minutes; what is older only takes room."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from portal.audit.services import Actor
from portal.credentials.models import Epoch

KEPT = timedelta(hours=1)  # remembered.FORGETFUL_AFTER is a sixth of it


@transaction.atomic
def forget_epochs(*, by: Actor) -> int:
    """Delete what no process looks for any more; returns how many."""
    gone, _ = Epoch.objects.filter(at__lte=timezone.now() - KEPT).delete()
    return gone
