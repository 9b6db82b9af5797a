"""What holders and staff are told by mail. One function an event; no decisions, no secrets.

Of a key its holder is told, and whoever claimed it for their organisation and still looks after it.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse

from accounts.models import Organization, User
from portal.credentials.enums import RevocationReason
from portal.credentials.mail_words import (
    Theirs,
    Word,
    case_url,
    day,
    words_for,
    words_of_reissued,
    words_of_revoked,
)
from portal.credentials.models import Credential, Grant
from portal.credentials.policies import manages_keys
from portal.credentials.selectors import KEYS_REISSUED, KEYS_REVOKED
from portal.mail.services import queue_mail, queue_mails, queue_mails_in_turn


def key_ready(credential: Credential) -> None:
    _tell(credential.grant, "key_ready", kid=credential.kid, until=day(credential.expires_at))


def keys_ready(credentials: list[Credential]) -> None:
    """`key_ready` for each of a batch, in one statement."""
    queue_mails(
        template="credentials/key_ready",
        mails=[
            (
                each.grant.holder.email,
                words_for(
                    each.grant,
                    to=each.grant.holder,
                    kid=each.kid,
                    until=day(each.expires_at),
                ),
            )
            for each in credentials
        ],
    )


def key_claimed(credential: Credential) -> None:
    _tell_keepers(credential, "key_claimed")


def second_claim_refused(credential: Credential, *, by: User) -> None:
    """`by` is who tried: whose account may be in other hands."""
    _tell_keepers(credential, "second_claim_refused", by=by)


def key_revoked(credential: Credential, *, reason: str) -> None:
    """Says the reason's plain words; the case and its note stay with staff."""
    _tell_keepers(credential, "key_revoked", reason=RevocationReason(reason).label)


def keys_revoked(
    organization: Organization | None,
    told: Sequence[Theirs],
    *,
    reason: str,
    case: str,
    held: bool,
) -> int:
    """One mail a person about all of their keys in a case; returns how many mails."""
    mails = [
        (each.person.email, words_of_revoked(organization, each, reason=reason, case=case))
        for each in told
    ]
    queue_mails_in_turn(template=KEYS_REVOKED, mails=mails, case=case, held=held)
    return len(mails)


def keys_reissued(
    organization: Organization | None, told: Sequence[Theirs], *, case: str, held: bool
) -> int:
    """One mail a person about all of their new slots after a case; returns how many mails."""
    mails = [(each.person.email, words_of_reissued(organization, each)) for each in told]
    queue_mails_in_turn(template=KEYS_REISSUED, mails=mails, case=case, held=held)
    return len(mails)


def case_answered(person: User, *, to: list[User], case: str) -> None:
    """To staff: this person has written about the case. What, stands on its page."""
    page = reverse("admin:credentials_revocation_answers", args=[case])
    url = f"{settings.BASE_URL}{page}?who={person.ref}"
    for each in to:
        queue_mail(
            to=each.email,
            template="credentials/case_answered",
            case=case,
            context={"name": each.get_short_name(), "ref": case, "url": url},
        )


def case_replied(person: User, *, case: str) -> None:
    """Says that we have answered; what, stands on the page."""
    queue_mail(
        to=person.email,
        template="credentials/case_replied",
        case=case,
        context={"name": person.get_short_name(), "ref": case, "url": case_url(case)},
    )


def key_rotated(credential: Credential) -> None:
    """`credential` is the new key; what becomes of the old one depends on whether it leaked."""
    overlap = credential.overlap_words if credential.overlap else ""
    _tell_keepers(credential, "key_rotated", old=str(credential.replaces), overlap=overlap)


def key_expiring(credential: Credential, *, now: datetime) -> None:
    """How long it has, and what goes on after it."""
    ends = credential.expires_at or now
    _tell_keepers(
        credential,
        "key_expiring",
        days=math.ceil((ends - now) / timedelta(days=1)),
        until=f"{day(ends)}, {ends:%H:%M} UTC",
        with_grant=credential.grant.ends_at <= ends,
        test=credential.kind == "test",
    )


def key_revoked_with_key(credential: Credential) -> None:
    """Nobody knows who did it: perhaps a program of theirs, perhaps whoever has stolen the key."""
    _tell_keepers(credential, "key_revoked_with_key")


def key_over(credential: Credential) -> None:
    """Expired after use, rotated out, or lapsed unclaimed."""
    status = credential.status
    _tell_keepers(credential, "key_over", lapsed=status == "lapsed", retired=status == "retired")


def activation_failed(grant: Grant) -> None:
    _tell(grant, "activation_failed")


def new_keys_allowed(grant: Grant) -> None:
    _tell(grant, "new_keys_allowed")


def grant_ended(grant: Grant) -> None:
    _tell(grant, "grant_ended")


def grant_revoked(grant: Grant, *, reason: str) -> None:
    _tell(grant, "grant_revoked", reason=RevocationReason(reason).label)


def _tell_keepers(
    credential: Credential, event: str, *, by: User | None = None, **words: Word
) -> None:
    grant, claimer = credential.grant, credential.claimed_by
    colleague = claimer if claimer and claimer.pk != grant.holder_id else None
    told: dict[User, dict[str, Word]] = {
        grant.holder: {"colleague": str(colleague or "")},
    }
    if colleague and not colleague.suspended_at and manages_keys(colleague, grant):
        told[colleague] = {"held_by": str(grant.holder)}
    for person, more in told.items():
        if by:
            more |= {"by": "you" if by == person else str(by), "yours": by == person}
        _tell(grant, event, to=person, kid=credential.kid, **words, **more)


def _tell(grant: Grant, event: str, *, to: User | None = None, **words: Word) -> None:
    person = to or grant.holder
    queue_mail(
        to=person.email,
        template=f"credentials/{event}",
        context=words_for(grant, to=person, **words),
    )
