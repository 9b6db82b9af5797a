"""A case of revocation begins: the preview freezes who is hit. Nothing is revoked yet."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import record_event
from portal.credentials import policies
from portal.credentials.enums import ItemStatus, RevocationStatus, Severity
from portal.credentials.lifecycle import REVOCATION_EVENT
from portal.credentials.lines import Line, Lines
from portal.credentials.models import (
    Revocation,
    RevocationExclusion,
    RevocationItem,
    RevocationLine,
)
from portal.credentials.selectors import needs_second_person
from portal.credentials.services.moving import move_revocation
from portal.credentials.services.revoking import must_be_known
from portal.credentials.targets import Selector, live_credentials
from portal.errors import Invalid
from portal.redaction import redact

PREVIEW_LIFE = timedelta(minutes=15)
_NOTHING_LIVE = "None of these keys is live; there is nothing to revoke."
_NOTHING_TO_TEST = (
    "None of these is a live key to test, and a drill hits no other. Whoever holds a grant makes"
    " keys to test on the access page."
)
# Those of cases and those of re-issues have none in common: a re-issue of the same keys has the
# same digest as its case.
_WORDS = (
    "anchor", "basket", "candle", "dragon", "ember", "feather", "garden", "harbor",
    "island", "jacket", "kettle", "lantern", "meadow", "needle", "orchard", "pepper",
    "quarry", "ribbon", "saddle", "timber", "umbrella", "velvet", "window", "yellow",
)  # fmt: skip
_WORDS_OF_REISSUES = (
    "acorn", "barley", "cedar", "daisy", "estuary", "falcon", "glacier", "heather",
    "ivory", "juniper", "koala", "lagoon", "maple", "nutmeg", "otter", "plover",
    "raven", "spruce", "thistle", "valley", "willow", "zebra",
)  # fmt: skip


def kids_digest(kids: Iterable[str]) -> str:
    """SHA-256, in hex, of the sorted kids, one a line: what confirming a preview binds."""
    return hashlib.sha256("\n".join(sorted(kids)).encode()).hexdigest()


def word_of(digest: str) -> str:
    """What is typed with the count, so that nobody confirms a page out of habit."""
    return _chosen(_WORDS, digest)


def reissue_word_of(digest: str) -> str:
    """Likewise of a re-issue, and never what the page of a case asks for."""
    return _chosen(_WORDS_OF_REISSUES, digest)


def _chosen(words: Sequence[str], digest: str) -> str:
    return words[int(digest[:8], 16) % len(words)]


@transaction.atomic
def preview_revocation(  # noqa: PLR0913 - what a case declares
    *,
    selector: Selector,
    reason: str,
    note: str,
    by: User,
    title: str = "",
    severity: str = Severity.HIGH,
    exclusions: Mapping[str, str] | None = None,
    rehearsal: bool = False,
    listed: Lines | None = None,
) -> Revocation:
    """Freeze the live keys a selector names, with their count and digest.

    `exclusions` are kids to leave alive, each with the reason. A rehearsal is of keys to test
    alone. `listed` is the list the selector's kids were read from; what became of each of its
    lines is kept with the case. Raises Invalid for a selector that names nothing known, or
    nothing that lives.
    """
    policies.can_revoke_in_bulk(by).enforce()
    must_be_known(reason)
    if severity not in Severity.values:
        raise Invalid("severity_unknown", "Say how severe it is.", {"severity": "Choose one."})
    now = timezone.now()
    selector = selector.closed(now)
    hit = live_credentials(selector, rehearsal=rehearsal).order_by("pk")
    keys = dict(hit.values_list("kid", "pk"))
    why = dict(exclusions or {})
    _must_be_among(keys, why)
    spared = {keys.pop(kid): reason for kid, reason in why.items()}
    if not keys:
        raise Invalid("nothing_hit", _NOTHING_TO_TEST if rehearsal else _NOTHING_LIVE)
    revocation = Revocation.objects.create(
        title=redact(title).strip(),
        severity=severity,
        rehearsal=rehearsal,
        selector=selector.as_json(),
        reason=reason,
        note=redact(note),
        requested_by=by,
    )
    record_event(
        REVOCATION_EVENT[RevocationStatus.DRAFTED],
        subject=revocation.ref,
        thread=revocation.ref,
        by=by,
        payload={"by": "+".join(selector.given), "reason": reason, "severity": severity},
    )
    _freeze(revocation, list(keys.values()))
    _spare(revocation, spared)
    if listed:
        _answer(revocation, listed.answers(keys, why))
    revocation.count = len(keys)
    revocation.digest = kids_digest(keys)
    revocation.needs_second = needs_second_person(revocation)
    revocation.previewed_at = now
    revocation.expires_at = now + PREVIEW_LIFE
    move_revocation(
        revocation,
        to=RevocationStatus.PREVIEWED,
        by=by,
        payload={
            "count": revocation.count,
            "digest": revocation.digest,
            "spared": len(spared),
            "rehearsal": rehearsal,
        },
    )
    return revocation


def _freeze(revocation: Revocation, credential_ids: list[int]) -> None:
    """One item a key, in one statement: the ORM would carry each row through Python."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {RevocationItem._meta.db_table}"  # noqa: S608 - our own table's name
            " (revocation_id, credential_id, status, next_attempt_at)"
            " SELECT %s, id, %s, %s FROM unnest(%s::bigint[]) AS keys (id)",
            [revocation.pk, ItemStatus.FROZEN.value, timezone.now(), credential_ids],
        )


def _answer(revocation: Revocation, lines: list[Line]) -> None:
    """One row a line, in one statement, as above."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {RevocationLine._meta.db_table}"  # noqa: S608 - our own table's name
            " (revocation_id, number, kid, answer)"
            " SELECT %s, * FROM unnest(%s::integer[], %s::text[], %s::text[])",
            [
                revocation.pk,
                [line.number for line in lines],
                [line.kid for line in lines],
                [line.answer for line in lines],
            ],
        )


def _must_be_among(keys: Mapping[str, int], spared: Iterable[str]) -> None:
    odd = sorted(set(spared) - set(keys))
    if odd:
        told = f"Not among the keys that would be hit: {redact(', '.join(odd[:5]))[:100]}."
        raise Invalid("exclusion_unknown", f"{told} Take them out.", {"exclusions": told})


def _spare(revocation: Revocation, reasons: Mapping[int, str]) -> None:
    if any(not why.strip() for why in reasons.values()):
        told = "Say of each key that stays alive why."
        raise Invalid("exclusion_unexplained", told, {"exclusions": told})
    RevocationExclusion.objects.bulk_create(
        RevocationExclusion(
            revocation=revocation, credential_id=pk, reason=redact(why).strip()[:200]
        )
        for pk, why in reasons.items()
    )
