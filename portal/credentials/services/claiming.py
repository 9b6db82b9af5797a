"""The one moment a secret exists: minted, hashed, shown, forgotten."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.selectors import events_about
from portal.credentials import notices, policies
from portal.credentials.enums import CredentialStatus
from portal.credentials.lifecycle import CREDENTIAL_EVENT
from portal.credentials.models import Credential
from portal.credentials.secrets import Minted, mint
from portal.credentials.services.minting import KEY_LIFE, narrow_scopes
from portal.credentials.services.moving import announce_birth, lock_grant, record_credential
from portal.credentials.services.naming import as_name
from portal.credentials.services.reminding import first_reminder
from portal.errors import Conflict

CLAIM_REFUSED = "credential.claim_refused"


def claim_credential(
    *, kid: str, by: User, name: str = "", scopes: Iterable[str] | None = None
) -> Minted:
    """Return the key, once. Only its keyed hash is kept; a lost answer means asking for another.

    `scopes` are those of the slot that the key is to hold, all when it is None; Invalid when there
    is none, or one that the slot does not hold.

    Whoever comes second gets Conflict, and the holder an alarm: two claims of one slot mean
    that somebody else is reading the holder's pages. The view behind this asks for a sign-in
    no older than five minutes.
    """
    credential = Credential.objects.select_related("grant__application").get(kid=kid)
    minted = _claim(credential, by=by, name=name, scopes=scopes)
    if minted is None:
        _raise_alarm(kid=kid, by=by)
        raise Conflict(
            "already_claimed",
            "This key has been claimed already and cannot be shown again. If it was not you who "
            "claimed it, revoke it now; if its secret is lost, revoke it and ask for another.",
        )
    return minted


@transaction.atomic
def _claim(
    credential: Credential, *, by: User, name: str, scopes: Iterable[str] | None
) -> Minted | None:
    """One conditional UPDATE decides who was first; None for everyone else.

    The locks come first, so that no revocation passes in between: whoever waited for one is told
    that the key was revoked, not that somebody else has claimed it.
    """
    announce_birth()  # of its secret: a case that stops the slot comes before this, or after
    grant = lock_grant(credential.grant_id)
    credential = Credential.objects.select_for_update().get(pk=credential.pk)
    credential.grant = grant
    if credential.status == CredentialStatus.ACTIVE:
        policies.can_view_grant(by, grant).enforce()
        return None
    policies.can_claim_credential(by, credential).enforce()
    chosen = narrow_scopes(scopes, within=credential.scopes, grant=grant)
    now = timezone.now()
    expires_at = min(now + KEY_LIFE, grant.ends_at)
    minted = mint(credential.kid)
    updated = Credential.objects.filter(
        pk=credential.pk, status=CredentialStatus.READY, expires_at__gt=now
    ).update(
        status=CredentialStatus.ACTIVE,
        digest=minted.digest,
        pepper_version=minted.pepper_version,
        claimed_at=now,
        claimed_by=by,
        expires_at=expires_at,
        remind_at=first_reminder(now, expires_at),
        scopes=chosen,
        name=as_name(name),
    )
    if not updated:
        return None
    credential.claimed_by = by
    record_credential(CREDENTIAL_EVENT[CredentialStatus.ACTIVE], credential, by=by)
    notices.key_claimed(credential)
    return minted


@transaction.atomic
def _raise_alarm(*, kid: str, by: User) -> None:
    """Log every refused claim; mail the holder about the first."""
    credential = Credential.objects.get(kid=kid)
    credential.grant = lock_grant(credential.grant_id)
    first = not events_about(kid, thread=credential.thread).filter(kind=CLAIM_REFUSED).exists()
    record_credential(CLAIM_REFUSED, credential, by=by)
    if first:
        notices.second_claim_refused(credential, by=by)
