"""A whole cohort approved: a hundred slots made ready at once, in a fixed number of statements."""

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from portal.audit.services import Actor, record_events
from portal.credentials import notices, tasks
from portal.credentials.enums import CredentialStatus, GrantStatus
from portal.credentials.lifecycle import CLAIM_WITHIN, CREDENTIAL_EVENT, GRANT_EVENT
from portal.credentials.models import Credential, Grant
from portal.doorbell import ring

log = logging.getLogger(__name__)

BATCH = 100
_READ = (
    *("kid", "status", "expires_at", "grant__ref", "grant__status", "grant__ends_at"),
    *("grant__phase", "grant__application__ref", "grant__holder__name", "grant__holder__email"),
)
_READIED = (GrantStatus.ACTIVATING, GrantStatus.ACTIVE, GrantStatus.SUSPENDED)


def issue_waiting(*, by: Actor) -> int:
    """Do what `issue_credential` does for up to a hundred slots at once; returns for how many.

    Takes what nobody else has in hand; rings for the rest. One slot that fails takes the others of
    its batch back with it, so each grant is then tried by itself, where failures are counted.
    """
    try:
        done = _issue_batch(by=by)
    except Exception:  # whatever it was, the rows are as they were
        log.exception("issuing a batch failed; each grant is tried by itself")
        for grant_id in sorted(set(_waiting().values_list("grant", flat=True)[:BATCH])):
            ring(tasks.issue_credential, grant_id)
        return 0
    if done == BATCH:
        ring(tasks.issue_waiting)
    return done


@transaction.atomic
def _issue_batch(*, by: Actor) -> int:
    # Slot and grant are locked in one statement that waits for nobody: whatever another worker has
    # finished since it began is looked at once more, and passed over.
    slots = list(
        _waiting()
        .select_for_update(of=("self", "grant"), skip_locked=True)
        .select_related("grant__application", "grant__holder")
        # Most of a cohort are of one phase, and the rows are read for a few of their columns.
        .prefetch_related("grant__phase__release")
        .only(*_READ)[:BATCH]
    )
    grants = {slot.grant_id: slot.grant for slot in slots}
    now = timezone.now()
    _activate(
        [grant for grant in grants.values() if grant.status == GrantStatus.ACTIVATING], now, by=by
    )
    _make_ready(slots, now, by=by)
    return len(slots)


def _waiting() -> QuerySet[Credential]:
    """Slots to be made ready, of grants without a failure so far."""
    return Credential.objects.filter(
        waiting=True,
        status=CredentialStatus.REQUESTED,
        grant__status__in=_READIED,
        grant__attempts=0,
        grant__next_attempt_at__lte=timezone.now(),
    ).order_by("pk")


def _activate(grants: list[Grant], now: datetime, *, by: Actor) -> None:
    Grant.objects.filter(pk__in=[grant.pk for grant in grants]).update(
        status=GrantStatus.ACTIVE, activated_at=Coalesce("activated_at", Value(now))
    )
    record_events(
        GRANT_EVENT[GrantStatus.ACTIVE],
        [(grant.ref, grant.application.ref) for grant in grants],
        by=by,
    )


def _make_ready(slots: list[Credential], now: datetime, *, by: Actor) -> None:
    ends = Subquery(Grant.objects.filter(pk=OuterRef("grant")).values("ends_at"))
    Credential.objects.filter(pk__in=[slot.pk for slot in slots]).update(
        status=CredentialStatus.READY,
        ready_at=now,
        expires_at=Least(Value(now + CLAIM_WITHIN), ends),
    )
    for slot in slots:
        slot.expires_at = min(now + CLAIM_WITHIN, slot.grant.ends_at)
    record_events(
        CREDENTIAL_EVENT[CredentialStatus.READY],
        [(slot.kid, slot.grant.application.ref) for slot in slots],
        by=by,
        payloads=[{"grant": slot.grant.ref} for slot in slots],
    )
    notices.keys_ready(slots)
