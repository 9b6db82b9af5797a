"""New keys after a case of revocation: previewed, and confirmed by one or by two.

A re-issue makes slots, never secrets: partners claim their new keys themselves. What is slow is the
workers' (slot_making.py). Locks: the case first, then its re-issue, so that two who confirm
re-issues of one case count each other's.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import Actor, Payload, record_event
from portal.credentials import reissue_policies, tasks
from portal.credentials.enums import ReissueItemStatus, ReissueStatus
from portal.credentials.lifecycle import REISSUE_EVENT
from portal.credentials.models import Reissue, ReissueItem, Revocation
from portal.credentials.policies import can_revoke_in_bulk
from portal.credentials.reissuable import (
    Candidate,
    candidates,
    grants_of_kids,
    refusals,
    reissue_needs_second,
)
from portal.credentials.services.moving import move_reissue
from portal.credentials.services.previewing import PREVIEW_LIFE, kids_digest, reissue_word_of
from portal.credentials.services.typed import must_be_as_shown
from portal.doorbell import ring_after_commit
from portal.errors import Conflict, Gone, Invalid
from portal.redaction import redact
from portal.verdict import Verdict

SECOND_WITHIN = timedelta(hours=1)
_UNDECIDED = (ReissueStatus.PREVIEWED, ReissueStatus.AWAITING_SECOND)
_NOTHING = "Nothing was re-issued."


@transaction.atomic
def preview_reissue(
    *,
    revocation_id: int,
    by: User,
    chosen: str = "",
    exclusions: Mapping[str, str] | None = None,
    note: str = "",
) -> Reissue:
    """Freeze which grants of a case get a new slot, with their count and digest.

    `chosen` is a partner's reference, `reissuable.INDIVIDUALS`, or empty for all; `exclusions` are
    kids of the case whose grants get none, each with the reason. Whoever cannot get one stands in
    the preview, too, and why. Raises Invalid when nobody can.
    """
    case = _lock_case(revocation_id)
    reissue_policies.can_reissue(by, case).enforce()
    found = candidates(case, chosen)
    spared = _spared(case, dict(exclusions or {}), chosen)
    kids = {each.grant_id: each.kid for each in found if each.grant_id not in spared}
    refused = refusals(case, kids.keys())
    hit = [kid for grant_id, kid in kids.items() if grant_id not in refused]
    if not hit:
        raise Invalid("nothing_to_reissue", _why_none(refused))
    now = timezone.now()
    reissue = Reissue.objects.create(
        revocation=case,
        chosen=chosen,
        note=redact(note),
        count=len(hit),
        digest=kids_digest(hit),
        previewed_at=now,
        previewed_by=by,
        expires_at=now + PREVIEW_LIFE,
    )
    _keep(reissue, found, spared, refused)
    reissue.needs_second = reissue_needs_second(reissue)
    reissue.save(update_fields=["needs_second"])
    told = {"refused": len(refused), "left_out": len(spared)}
    record_event(
        REISSUE_EVENT[ReissueStatus.PREVIEWED],
        subject=reissue.ref,
        thread=case.ref,
        by=by,
        payload={**_payload(reissue), **told},
    )
    return reissue


@transaction.atomic
def start_reissue(
    *, reissue_id: int, digest: str, typed_count: str, typed_word: str, by: User
) -> Reissue:
    """Have workers make the slots, or ask a second person where it needs one.

    `digest` is the one the confirming page showed, the other two what the person typed.
    """
    reissue = _lock(reissue_id)
    can_revoke_in_bulk(by).enforce()
    _must_stand_at(reissue, ReissueStatus.PREVIEWED)
    _must_be_confirmable(reissue, digest, typed_count, typed_word)
    # Other re-issues of the case may have been previewed since this one.
    reissue.needs_second = reissue.needs_second or reissue_needs_second(reissue)
    if not reissue.needs_second:
        return _run(reissue, by=by)
    reissue.asked_at, reissue.asked_by, reissue.asked_digest = timezone.now(), by, digest
    reissue.expires_at = timezone.now() + SECOND_WITHIN
    move_reissue(reissue, to=ReissueStatus.AWAITING_SECOND, by=by, payload=_payload(reissue))
    return reissue


@transaction.atomic
def approve_reissue(
    *, reissue_id: int, digest: str, typed_count: str, typed_word: str, by: User
) -> Reissue:
    """The second of two confirms; the database refuses the same person as well."""
    reissue = _lock(reissue_id)
    can_revoke_in_bulk(by).enforce()
    _must_stand_at(reissue, ReissueStatus.AWAITING_SECOND)
    reissue_policies.can_approve_reissue(by, reissue).enforce()
    _must_be_confirmable(reissue, digest, typed_count, typed_word)
    return _run(reissue, by=by)


@transaction.atomic
def cancel_reissue(*, reissue_id: int, by: User) -> Reissue:
    """Put a re-issue away that was not confirmed; its grants are free for another."""
    reissue = _lock(reissue_id)
    reissue_policies.can_cancel_reissue(by, reissue).enforce()
    _drop(reissue, to=ReissueStatus.CANCELLED, by=by)
    return reissue


@transaction.atomic
def close_old_reissues(*, by: Actor) -> int:
    """Put away previews whose time is up; returns how many. Safe to run twice, at once and late."""
    over = (
        Reissue.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("revocation")
        .filter(status__in=_UNDECIDED, expires_at__lte=timezone.now())
        .order_by("pk")[:100]
    )
    for reissue in over:
        _drop(reissue, to=ReissueStatus.EXPIRED, by=by)
    return len(over)


def _lock_case(revocation_id: int) -> Revocation:
    """Held against others who re-issue; keys and items that point at it are no hindrance."""
    return Revocation.objects.select_for_update(no_key=True).get(pk=revocation_id)


def _lock(reissue_id: int) -> Reissue:
    case = _lock_case(Reissue.objects.values_list("revocation", flat=True).get(pk=reissue_id))
    reissue = Reissue.objects.select_for_update().get(pk=reissue_id)
    reissue.revocation = case
    return reissue


def _spared(case: Revocation, exclusions: dict[str, str], chosen: str) -> dict[int, str]:
    """Why, by the grant's id."""
    grants = grants_of_kids(case, set(exclusions), chosen)
    odd = sorted(set(exclusions) - set(grants))
    if odd:
        told = f"Not among the keys of this choice: {redact(', '.join(odd[:5]))[:100]}."
        raise Invalid("exclusion_unknown", f"{told} Take them out.", {"exclusions": told})
    if any(not why.strip() for why in exclusions.values()):
        told = "Say of each key whose grant gets none why."
        raise Invalid("exclusion_unexplained", told, {"exclusions": told})
    return {grants[kid]: redact(why).strip()[:200] for kid, why in exclusions.items()}


def _keep(
    reissue: Reissue,
    found: Iterable[Candidate],
    spared: Mapping[int, str],
    refused: Mapping[int, Verdict],
) -> None:
    """One item a grant, in one statement: the ORM would carry each row through Python."""
    rows = [(each.grant_id, each.credential_id, *_fate(each, spared, refused)) for each in found]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {ReissueItem._meta.db_table}"  # noqa: S608 - our own table's name
            " (reissue_id, revocation_id, grant_id, credential_id, status, code, why, attempts,"
            " next_attempt_at, last_error) SELECT %s, %s, *, 0, %s, ''"
            " FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[])",
            [
                reissue.pk,
                reissue.revocation_id,
                timezone.now(),
                *map(list, zip(*rows, strict=True)),
            ],
        )


def _fate(
    each: Candidate, spared: Mapping[int, str], refused: Mapping[int, Verdict]
) -> tuple[str, str, str]:
    """(status, code, why)."""
    if each.grant_id in spared:
        return ReissueItemStatus.LEFT_OUT.value, "", spared[each.grant_id]
    if each.grant_id in refused:
        no = refused[each.grant_id]
        return ReissueItemStatus.REFUSED.value, no.code, no.reason
    return ReissueItemStatus.CHOSEN.value, "", ""


def _why_none(refused: Mapping[int, Verdict]) -> str:
    reasons = sorted({verdict.reason for verdict in refused.values()})
    return " ".join(["None of these grants can get a new key now.", *reasons[:3]])


def _payload(reissue: Reissue) -> Payload:
    return {"count": reissue.count, "digest": reissue.digest}


def _must_stand_at(reissue: Reissue, status: ReissueStatus) -> None:
    if reissue.status != status:
        raise Conflict("not_previewed", f"{reissue.ref} has moved on. Look at it again.")


def _must_be_confirmable(reissue: Reissue, digest: str, typed_count: str, typed_word: str) -> None:
    if reissue.expires_at <= timezone.now():
        raise Gone("preview_expired", "The preview is too old. Make a new one.")
    must_be_as_shown(
        count=reissue.count,
        word=reissue_word_of(reissue.digest),
        shown=reissue.digest,
        digest=digest,
        typed_count=typed_count,
        typed_word=typed_word,
        nothing=_NOTHING,
    )


def _run(reissue: Reissue, *, by: User) -> Reissue:
    reissue.confirmed_at, reissue.confirmed_by = timezone.now(), by
    move_reissue(reissue, to=ReissueStatus.RUNNING, by=by, payload=_payload(reissue))
    ring_after_commit(tasks.finish_reissue, reissue.pk)
    return reissue


def _drop(reissue: Reissue, *, to: ReissueStatus, by: Actor) -> None:
    chosen = reissue.items.filter(status=ReissueItemStatus.CHOSEN)
    chosen.update(status=ReissueItemStatus.DROPPED, done_at=timezone.now())
    move_reissue(reissue, to=to, by=by)
