"""Revoking one key, or a grant with all its keys. Dead at commit."""

from django.db import transaction

from accounts.models import User
from portal.audit.services import System
from portal.credentials import hooks, notices, policies
from portal.credentials.enums import GrantStatus, RevocationReason
from portal.credentials.models import Credential, Grant
from portal.credentials.services.killing import bar_new_keys, kids_of, kill_credentials
from portal.credentials.services.moving import lock_grant, move_grant
from portal.errors import Invalid


@transaction.atomic
def revoke_credential(*, kid: str, reason: str, by: User) -> Credential:
    """Revoke one key; it is refused everywhere once this commits. Revoking twice is one time,
    but when staff come second they are heard: the grant gets no more keys.
    """
    must_be_known(reason)
    credential = Credential.objects.select_related("grant").get(kid=kid)
    credential.grant = lock_grant(credential.grant_id)
    policies.can_revoke_credential(by, credential).enforce()
    by_staff = not policies.manages_keys(by, credential.grant)
    this = Credential.objects.filter(pk=credential.pk)
    if kill_credentials(this, reason=reason, by=by, by_staff=by_staff):
        notices.key_revoked(credential, reason=reason)
        hooks.keys_revoked(credential.grant.organization, [kid], reason=reason)
    elif by_staff:
        bar_new_keys(this, by=by)
    credential.refresh_from_db()
    return credential


@transaction.atomic
def revoke_by_possession(*, kid: str, by: System) -> bool:
    """Revoke the key of somebody who showed the whole of it (RFC 7009); whether it lived until now.

    The caller has seen that the key is genuine. That is all the right it takes, since whoever holds
    a key could do worse with it than end it, so there is no policy to ask; and because it may have
    been a thief, the holder is told how it came about and can ask for another.
    """
    credential = Credential.objects.select_related("grant").get(kid=kid)
    credential.grant = lock_grant(credential.grant_id)
    this = Credential.objects.filter(pk=credential.pk)
    reason = RevocationReason.NO_LONGER_NEEDED
    if not kill_credentials(this, reason=reason, by=by, by_staff=False):
        return False
    notices.key_revoked_with_key(credential)
    hooks.keys_revoked(credential.grant.organization, [kid], reason=reason)
    return True


@transaction.atomic
def revoke_grant(*, grant_id: int, reason: str, by: User) -> Grant:
    """End the right itself, with every key under it; there is no way back but a new application."""
    must_be_known(reason)
    grant = lock_grant(grant_id)
    policies.can_revoke_grant(by, grant).enforce()
    move_grant(grant, to=GrantStatus.REVOKED, by=by, payload={"reason": reason})
    killed = kill_credentials(grant.credentials.all(), reason=reason, by=by, by_staff=True)
    notices.grant_revoked(grant, reason=reason)
    hooks.grant_revoked(grant, kids_of(killed), reason=reason)
    return grant


def must_be_known(reason: str) -> None:
    if reason not in RevocationReason.values:
        raise Invalid("reason_unknown", "Choose a reason.", {"reason": "Choose a reason."})
