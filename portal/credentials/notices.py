"""What holders and staff are told by mail. One function an event; no decisions, no secrets."""

from django.conf import settings
from django.urls import reverse

from portal.credentials.enums import RevocationReason
from portal.credentials.models import Credential, Grant
from portal.mail.services import queue_mail


def key_ready(credential: Credential) -> None:
    _tell(credential.grant, "key_ready", kid=credential.kid, until=_day(credential.expires_at))


def key_claimed(credential: Credential) -> None:
    _tell(credential.grant, "key_claimed", kid=credential.kid)


def second_claim_refused(credential: Credential) -> None:
    _tell(credential.grant, "second_claim_refused", kid=credential.kid)


def key_revoked(credential: Credential, *, reason: str) -> None:
    """Says the reason's plain words; the case and its note stay with staff."""
    _tell(
        credential.grant,
        "key_revoked",
        kid=credential.kid,
        reason=RevocationReason(reason).label,
    )


def key_revoked_with_key(credential: Credential) -> None:
    """Nobody knows who did it: perhaps a program of theirs, perhaps whoever has stolen the key."""
    _tell(credential.grant, "key_revoked_with_key", kid=credential.kid)


def key_over(credential: Credential) -> None:
    """Expired after use, or lapsed unclaimed."""
    _tell(
        credential.grant,
        "key_over",
        kid=credential.kid,
        lapsed=credential.status == "lapsed",
    )


def activation_failed(grant: Grant) -> None:
    _tell(grant, "activation_failed")


def new_keys_allowed(grant: Grant) -> None:
    _tell(grant, "new_keys_allowed")


def grant_ended(grant: Grant) -> None:
    _tell(grant, "grant_ended")


def grant_revoked(grant: Grant, *, reason: str) -> None:
    _tell(grant, "grant_revoked", reason=RevocationReason(reason).label)


def _day(when: object) -> str:
    return f"{when:%-d %B %Y}"


def _tell(grant: Grant, event: str, **words: str | bool) -> None:
    queue_mail(
        to=grant.holder.email,
        template=f"credentials/{event}",
        context={
            "name": grant.holder.get_short_name(),
            "ref": grant.ref,
            "release": grant.phase.release.name,
            "url": f"{settings.BASE_URL}{reverse('credentials:access')}",
            **words,
        },
    )
