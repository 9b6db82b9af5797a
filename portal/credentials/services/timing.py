"""What time alone does. For display and for freeing places: verification never waits for this."""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from portal.audit.services import Actor
from portal.credentials import hooks, notices
from portal.credentials.enums import CredentialStatus as C
from portal.credentials.enums import GrantStatus, RevocationStatus
from portal.credentials.lifecycle import OCCUPYING
from portal.credentials.models import Credential, Grant, Revocation
from portal.credentials.services.moving import move_credential, move_grant, move_revocation
from portal.credentials.services.reissuing import close_old_reissues

BATCH = 100
_BATCH_OF_DEAD = 5_000
_UNDECIDED = (RevocationStatus.PREVIEWED, RevocationStatus.AWAITING_SECOND)
_CLOSED_BY_TIME = (C.READY, C.ACTIVE)


def close_what_is_over(*, by: Actor) -> int:
    """Mark keys, slots, grants and previews whose time is up; returns how many.

    Bounded batches that skip rows somebody holds: safe to run twice, at once and late.
    """
    closed = _close_credentials(by=by) + _close_grants(by=by) + _close_previews(by=by)
    closed += close_old_reissues(by=by)
    _put_dead_away()
    return closed


@transaction.atomic
def _close_credentials(*, by: Actor) -> int:
    replaced = Credential.objects.filter(replaces=OuterRef("pk"), overlap_started_at__isnull=False)
    over = (
        Credential.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("grant__application__phase__release", "grant__holder", "claimed_by")
        .annotate(rotated_out=Exists(replaced))
        .filter(put_away=False, status__in=_CLOSED_BY_TIME, expires_at__lte=timezone.now())
        .order_by("pk")[:BATCH]
    )
    for credential in over:
        used_up = C.RETIRED if credential.rotated_out else C.EXPIRED
        to = C.LAPSED if credential.status == C.READY else used_up
        credential.put_away = True
        move_credential(credential, to=to, by=by)
        notices.key_over(credential)
    return len(over)


@transaction.atomic
def _put_dead_away() -> None:
    """Keys that had ended before their time was up leave the index of what has yet to end.

    Their state is what it was, and so there is nothing to tell.
    """
    dead = (
        Credential.objects.select_for_update(skip_locked=True)
        .filter(put_away=False, expires_at__lte=timezone.now())
        .exclude(status__in=_CLOSED_BY_TIME)
        .order_by("pk")
    )
    ids = list(dead.values_list("pk", flat=True)[:_BATCH_OF_DEAD])
    if ids:
        Credential.objects.filter(pk__in=ids).update(put_away=True)


def _close_grants(*, by: Actor) -> int:
    """One transaction a grant: holding several, and waiting for a slot of one, could deadlock
    with a revocation, which takes keys in the order of their ids.
    """
    over = Grant.objects.filter(status__in=OCCUPYING, ends_at__lte=timezone.now())
    ids = list(over.order_by("pk").values_list("pk", flat=True)[:BATCH])
    return sum(_close_grant(grant_id, by=by) for grant_id in ids)


@transaction.atomic
def _close_grant(grant_id: int, *, by: Actor) -> bool:
    grant = (
        Grant.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("application__phase__release", "holder", "organization")
        .filter(pk=grant_id, status__in=OCCUPYING, ends_at__lte=timezone.now())
        .first()
    )
    if grant is None:
        return False
    move_grant(grant, to=GrantStatus.ENDED, by=by)
    for slot in grant.credentials.select_for_update().filter(status=C.REQUESTED):
        slot.grant = grant
        move_credential(slot, to=C.LAPSED, by=by)
    notices.grant_ended(grant)
    hooks.grant_ended(grant)
    return True


@transaction.atomic
def _close_previews(*, by: Actor) -> int:
    """A case that holds its keys stays open: time alone neither lets them go nor revokes them, and
    only an open case can be decided.
    """
    held = Q(contained_at__isnull=False, released_at__isnull=True)
    over = (
        Revocation.objects.select_for_update(skip_locked=True)
        .filter(status__in=_UNDECIDED, expires_at__lte=timezone.now())
        .exclude(held)[:BATCH]
    )
    for revocation in over:
        move_revocation(revocation, to=RevocationStatus.EXPIRED, by=by)
    return len(over)
