"""A case of revocation is decided: contained, let go, confirmed by one or by two.

Confirming is one row: from its commit every key of the case is refused at every door, however
many they are and with every worker stopped (facts.py). Writing so on each key, and telling their
holders, is the workers' (finishing.py). No un-revoke exists.
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import Payload, record_event
from portal.credentials import policies, tasks
from portal.credentials.contained import is_spent
from portal.credentials.enums import RevocationStatus
from portal.credentials.models import Revocation
from portal.credentials.selectors import (
    TO_PARTNERS,
    is_beyond_cap,
    needs_second_person,
    unmarked_keys,
)
from portal.credentials.services.finishing import mark_some
from portal.credentials.services.moving import move_revocation, stop_births
from portal.credentials.services.previewing import word_of
from portal.credentials.services.typed import must_be_as_shown
from portal.credentials.targets import unseen_keys
from portal.doorbell import ring_after_commit
from portal.errors import Conflict, Gone, Invalid
from portal.mail.services import hold_mails, release_mails
from portal.redaction import redact
from portal.webhooks.services import hold_events, release_events

SECOND_WITHIN = timedelta(hours=1)
CONTAINED_FOR = timedelta(days=1)  # as long what was contained can be confirmed without new preview
SHORTEST_REASON = 20  # letters


@transaction.atomic
def contain_revocation(*, revocation_id: int, by: User) -> Revocation:
    """Refuse exactly the previewed keys from commit on, reversibly; one person does it at once.

    Whoever has contained a case decides calmly: the preview holds for a day.
    """
    revocation = _lock(revocation_id)
    policies.can_contain_revocation(by, revocation).enforce()
    _must_be_in_time(revocation)
    stop_births()  # a key in place of one that is held comes into being before this, or not at all
    now = timezone.now()
    revocation.contained_at, revocation.contained_by = now, by
    revocation.expires_at = now + CONTAINED_FOR
    revocation.save(update_fields=["contained_at", "contained_by", "expires_at"])
    _record("revocation.contained", revocation, by=by)
    return revocation


@transaction.atomic
def start_revocation(
    *,
    revocation_id: int,
    digest: str,
    typed_count: str,
    typed_word: str,
    by: User,
    beyond_cap: str = "",
) -> Revocation:
    """Kill every frozen key, or ask a second person where the case needs one.

    Refused when more keys match by now than were looked at: none may stay alive unseen.
    `digest` is the one the confirming page showed, the other two what the person typed;
    `beyond_cap` says why, when there are more keys than the cap (settings.REVOCATION_CAP).
    """
    revocation = _lock(revocation_id)
    policies.can_revoke_in_bulk(by).enforce()
    _must_stand_at(revocation, RevocationStatus.PREVIEWED)
    _must_be_confirmable(revocation, digest=digest, typed_count=typed_count, typed_word=typed_word)
    _must_be_within_cap(revocation, beyond_cap, by=by)
    # A day may lie between: a capability is critical by now, or the keys are a larger part of all.
    revocation.needs_second = revocation.needs_second or needs_second_person(revocation)
    if not revocation.needs_second:
        return _kill(revocation, by=by)
    revocation.asked_at, revocation.asked_by = timezone.now(), by
    revocation.asked_digest = digest
    if not revocation.is_contained:
        revocation.expires_at = timezone.now() + SECOND_WITHIN
    payload: Payload = {"count": revocation.count, "digest": digest}
    move_revocation(revocation, to=RevocationStatus.AWAITING_SECOND, by=by, payload=payload)
    return revocation


@transaction.atomic
def approve_revocation(
    *, revocation_id: int, digest: str, typed_count: str, typed_word: str, by: User
) -> Revocation:
    """The second of two confirms the digest that the first did, and the keys are dead."""
    revocation = _lock(revocation_id)
    policies.can_revoke_in_bulk(by).enforce()
    _must_stand_at(revocation, RevocationStatus.AWAITING_SECOND)
    policies.can_approve_revocation(by, revocation).enforce()
    _must_be_confirmable(revocation, digest=digest, typed_count=typed_count, typed_word=typed_word)
    return _kill(revocation, by=by)


@transaction.atomic
def cancel_revocation(*, revocation_id: int, by: User) -> Revocation:
    """Put a case away; nothing was revoked. Keys it contains are let go: that takes another
    person than the one who contained them.
    """
    revocation = _lock(revocation_id)
    policies.can_cancel_revocation(by, revocation).enforce()
    if revocation.is_contained:
        revocation.released_at, revocation.released_by = timezone.now(), by
        _record("revocation.released", revocation, by=by)
    move_revocation(revocation, to=RevocationStatus.CANCELLED, by=by)
    return revocation


@transaction.atomic
def pause_revocation(*, revocation_id: int, by: User) -> Revocation:
    """Let workers tell nobody for now, and hold what is queued. The keys are dead and stay so."""
    revocation = _lock(revocation_id)
    policies.can_pause_revocation(by, revocation).enforce()
    revocation.paused_at, revocation.paused_by = timezone.now(), by
    revocation.save(update_fields=["paused_at", "paused_by"])
    hold_mails(case=revocation.ref, templates=TO_PARTNERS)
    hold_events(about=revocation.ref)
    _record("revocation.paused", revocation, by=by)
    return revocation


@transaction.atomic
def resume_revocation(*, revocation_id: int, by: User) -> Revocation:
    """Let workers go on from where they stopped."""
    revocation = _lock(revocation_id)
    policies.can_resume_revocation(by, revocation).enforce()
    revocation.paused_at, revocation.paused_by = None, None
    revocation.save(update_fields=["paused_at", "paused_by"])
    release_mails(case=revocation.ref)
    release_events(about=revocation.ref)
    _record("revocation.resumed", revocation, by=by)
    ring_after_commit(tasks.finish_revocation, revocation.pk)
    return revocation


def _lock(revocation_id: int) -> Revocation:
    return Revocation.objects.select_for_update().get(pk=revocation_id)


def _record(kind: str, revocation: Revocation, *, by: User) -> None:
    payload: Payload = {"count": revocation.count, "digest": revocation.digest}
    record_event(kind, subject=revocation.ref, thread=revocation.ref, by=by, payload=payload)


def _kill(revocation: Revocation, *, by: User) -> Revocation:
    """The first keys are marked here, so that a case of ordinary size is whole at once."""
    stop_births()
    _must_not_have_grown(revocation)
    revocation.confirmed_at, revocation.confirmed_by = timezone.now(), by
    payload: Payload = {"count": revocation.count, "digest": revocation.digest}
    move_revocation(revocation, to=RevocationStatus.RUNNING, by=by, payload=payload)
    mark_some(revocation, unmarked_keys(revocation.pk, at_most=settings.REVOCATION_CHUNK))
    ring_after_commit(tasks.prove_revocation, revocation.pk)
    ring_after_commit(tasks.finish_revocation, revocation.pk)
    return revocation


def _must_not_have_grown(revocation: Revocation) -> None:
    """Refuse when the selector names a key nobody has looked at: it would stay alive.

    After this commits no grant the selector names gets a new key (targets.barred_grants).
    """
    count = unseen_keys(revocation).count()
    if not count:
        return
    told = (
        f"Nothing was revoked: {count:,} more {'key' if count == 1 else 'keys'} came to life"
        " since this preview. Preview again. If that goes on, suspend the holder or the"
        " partner, or halt the phase, first."
    )
    if is_spent(revocation):
        told += (
            " When they are dead, too, this case can be confirmed. Its own keys are dead already:"
            " somebody else than who contained it may close it at once."
        )
    raise Conflict("preview_grew", told)


def _must_stand_at(revocation: Revocation, status: RevocationStatus) -> None:
    """Of two who confirm at once one comes too late; that is nothing they may not do."""
    if revocation.status != status:
        raise Conflict("not_previewed", f"{revocation.ref} has moved on. Look at it again.")


def _must_be_in_time(revocation: Revocation) -> None:
    if revocation.expires_at is None or revocation.expires_at <= timezone.now():
        raise Gone("preview_expired", "The preview is too old. Make a new one.")


def _must_be_confirmable(
    revocation: Revocation, *, digest: str, typed_count: str, typed_word: str
) -> None:
    _must_be_in_time(revocation)
    must_be_as_shown(
        count=revocation.count,
        word=word_of(revocation.digest),
        shown=revocation.digest,
        digest=digest,
        typed_count=typed_count,
        typed_word=typed_word,
        nothing="Nothing was revoked.",
    )


def _must_be_within_cap(revocation: Revocation, why: str, *, by: User) -> None:
    """Beyond it somebody may be killing more than they think: it takes a permission of its own."""
    if not is_beyond_cap(revocation):
        return
    policies.can_break_glass(by).enforce()
    revocation.beyond_cap = redact(why).strip()[:500]
    if len(revocation.beyond_cap) < SHORTEST_REASON:
        told = f"Say in a sentence why more than {settings.REVOCATION_CAP:,} keys have to die."
        raise Invalid("cap_unexplained", told, {"beyond_cap": told})
