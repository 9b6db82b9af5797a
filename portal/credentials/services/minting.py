"""What claiming, rotating and making a test key have in common."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from portal.credentials.enums import CredentialStatus, KeyKind
from portal.credentials.lifecycle import CREDENTIAL_EVENT
from portal.credentials.models import Credential, Grant
from portal.credentials.secrets import Minted, mint, new_kid
from portal.credentials.services.moving import record_credential
from portal.credentials.services.naming import as_name
from portal.credentials.services.reminding import first_reminder
from portal.errors import Invalid

KEY_LIFE = timedelta(days=30)


def mint_credential(
    grant: Grant, *, scopes: list[str], expires_at: datetime, by: User, name: str, **more: Any
) -> tuple[Credential, Minted]:
    """Make a key that is claimed as it is made, under a grant whose lock the caller holds.

    `more` are further columns: what kind it is, what it replaces. The caller has announced the
    birth and asked its policy.
    """
    now = timezone.now()
    kid, kind = new_kid(), more.get("kind", KeyKind.LIVE)
    minted = mint(kid, "test" if kind == KeyKind.TEST else "live")
    credential = Credential.objects.create(
        kid=kid,
        grant=grant,
        name=as_name(name),
        status=CredentialStatus.ACTIVE,
        scopes=scopes,
        digest=minted.digest,
        pepper_version=minted.pepper_version,
        requested_at=now,
        claimed_at=now,
        claimed_by=by,
        expires_at=expires_at,
        remind_at=first_reminder(now, expires_at),
        **more,
    )
    record_credential(
        CREDENTIAL_EVENT[CredentialStatus.ACTIVE], credential, by=by, payload={"kind": str(kind)}
    )
    return credential, minted


def narrow_scopes(wanted: Iterable[str] | None, *, within: list[str], grant: Grant) -> list[str]:
    """Those wanted, in the order they are held; all when nothing was said.

    Raises Invalid for none, and for one that is not held: a key never gets wider on its way.
    """
    held = [scope for scope in within if scope in grant.scopes]
    asked = set(held if wanted is None else wanted)
    if not asked:
        told = "Choose at least one thing that the key may do."
        raise Invalid("no_scope", told, {"scopes": told})
    if not asked <= set(held):
        told = "A key can be narrower than what it comes from, never wider."
        raise Invalid("scope_not_held", told, {"scopes": told})
    return [scope for scope in held if scope in asked]
