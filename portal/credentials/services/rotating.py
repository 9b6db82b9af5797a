"""One key in place of another, without an hour in which neither works.

The clock of the overlap starts when the new key is first let through, not when it is made: whoever
takes a week to install it finds the old one still working.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import Actor
from portal.credentials import notices, policies
from portal.credentials.enums import CredentialStatus, RevocationReason
from portal.credentials.models import Credential
from portal.credentials.secrets import Minted
from portal.credentials.services.killing import kill_credentials
from portal.credentials.services.minting import mint_credential, narrow_scopes
from portal.credentials.services.moving import announce_birth, lock_grant, record_credential
from portal.errors import Invalid

LEAKED = timedelta(0)
SHORTEST_OVERLAP = timedelta(hours=1)
USUAL_OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=7)


@transaction.atomic
def rotate_credential(
    *,
    kid: str,
    by: User,
    name: str | None = None,
    overlap: timedelta = USUAL_OVERLAP,
    scopes: Iterable[str] | None = None,
) -> tuple[Credential, Minted]:
    """Return a new key in place of this one, once: with its scopes or fewer, and never a later end.

    The old key goes on until `overlap` (1 hour to 7 days) after the first use of the new one. With
    LEAKED it is revoked in this same transaction.

    Raises NotAllowed when the key is not in use or another of its kind lives beside it, Invalid
    for an overlap out of bounds, for no scope, and for one the old key does not hold.
    """
    announce_birth()
    old = Credential.objects.get(kid=kid)
    grant = lock_grant(old.grant_id)
    old = Credential.objects.select_for_update().get(pk=old.pk)
    old.grant = grant
    policies.can_rotate_credential(by, old).enforce()
    _must_be_an_overlap(overlap)
    leaked = overlap == LEAKED
    new, minted = mint_credential(
        grant,
        scopes=narrow_scopes(scopes, within=old.scopes, grant=grant),
        expires_at=min(old.expires_at or grant.ends_at, grant.ends_at),
        by=by,
        name=old.name if name is None else name,
        kind=old.kind,
        replaces=old,
        overlap=overlap,
        overlap_started_at=timezone.now() if leaked else None,
    )
    record_credential(
        "credential.rotated",
        old,
        by=by,
        payload={"replaced_by": new.kid, "overlap_seconds": int(overlap.total_seconds())},
    )
    if leaked:
        this = Credential.objects.filter(pk=old.pk)
        kill_credentials(this, reason=RevocationReason.KEY_LEAKED, by=by, by_staff=False)
    notices.key_rotated(new)
    return new, minted


@transaction.atomic
def start_overlap(*, kid: str, by: Actor) -> bool:
    """Note the first use of a key that replaces another, whose end is now in sight.

    A door calls this when `Facts.first_use` says so. Idempotent, and it waits for nobody: while
    somebody holds one of the two keys nothing is done, and the next use tries again. The end of
    the old key comes nearer or stays; True when this call is the one that started the clock.
    """
    new = Credential.objects.filter(kid=kid, replaces__isnull=False, overlap_started_at=None)
    pair = [pk for row in new.values_list("replaces", "pk") for pk in row if pk]
    both = list(
        Credential.objects.select_for_update(of=("self",), skip_locked=True, no_key=True)
        .select_related("grant__application")
        .filter(pk__in=pair)
        .order_by("pk")  # as revocations lock them; the older first
    )
    if len(both) < 2:
        return False
    old, used = both
    now = timezone.now()
    started = Credential.objects.filter(
        pk=used.pk, status=CredentialStatus.ACTIVE, overlap_started_at=None
    ).update(overlap_started_at=now)
    if not started or old.status != CredentialStatus.ACTIVE:
        return bool(started)
    overlap = used.overlap or LEAKED
    old.expires_at = min(old.expires_at or now, now + overlap)
    old.save(update_fields=["expires_at"])
    record_credential("credential.overlap_started", old, by=by, payload={"replaced_by": used.kid})
    return True


def _must_be_an_overlap(overlap: timedelta) -> None:
    if overlap != LEAKED and not SHORTEST_OVERLAP <= overlap <= LONGEST_OVERLAP:
        told = "The old key can go on for an hour at least and seven days at most."
        raise Invalid("overlap_out_of_bounds", told, {"overlap": told})
