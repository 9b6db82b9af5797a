"""Test keys: what a program is written against before it is let near the model."""

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.credentials import notices, policies
from portal.credentials.enums import KeyKind
from portal.credentials.models import Credential
from portal.credentials.secrets import Minted
from portal.credentials.services.minting import KEY_LIFE, mint_credential, narrow_scopes
from portal.credentials.services.moving import announce_birth, lock_grant


@transaction.atomic
def make_test_credential(
    *, grant_id: int, by: User, name: str = "", scopes: Iterable[str] | None = None
) -> tuple[Credential, Minted]:
    """Return a key that sandbox gateways alone take, once. No worker has to prepare it.

    It lives as long as any key and dies in the same ways. Raises NotAllowed when two live already,
    Invalid for no scope, and for one that the grant does not hold.
    """
    announce_birth()
    grant = lock_grant(grant_id)
    policies.can_make_test_credential(by, grant).enforce()
    credential, minted = mint_credential(
        grant,
        scopes=narrow_scopes(scopes, within=grant.scopes, grant=grant),
        expires_at=min(timezone.now() + KEY_LIFE, grant.ends_at),
        by=by,
        name=name,
        kind=KeyKind.TEST,
    )
    notices.key_claimed(credential)
    return credential, minted
