"""Every key of a case is asked about at every door, and the answers are kept as proof.

What is asked is the doors' own decision (verification.decide) on what stands in PostgreSQL now.
What a gateway keeps for some seconds it cannot know (proof.may_be_late). No key can be shown over
HTTP: of keys and of gateways' secrets only hashes are kept, so that nobody, the portal included,
can pass for a partner.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.audit.services import Actor, record_event
from portal.credentials import doors, policies
from portal.credentials.doors import Door
from portal.credentials.facts import Facts, read_many_facts
from portal.credentials.models import Revocation, RevocationProof
from portal.credentials.proof import unproved_at
from portal.credentials.verification import decide

log = logging.getLogger(__name__)

ASK_AT_ONCE = 1000
SHOWN = 100  # kids let through that are kept by name; how many there are in all is counted


@dataclass
class _Answers:
    """Of one kind of door so far."""

    asked: int = 0
    let_through: int = 0
    at: datetime | None = None  # the last answer; none before a key was asked about
    kids: list[str] = field(default_factory=list)

    def note(self, kid: str, *, through: bool) -> None:
        self.asked += 1
        self.let_through += through
        self.at = timezone.now()
        if through and len(self.kids) < SHOWN:
            self.kids.append(kid)


def prove_revocation(*, revocation_id: int, by: Actor) -> list[RevocationProof]:
    """Ask every registered door about every key of the case; returns what each answered.

    A person may ask again at any time. A worker asks until one round found all refused: run late,
    twice or at once with another it changes nothing. Killed half-way, it has written nothing, and
    `reconcile` rings again. Without any door there is nothing to ask and nothing is kept.
    """
    case = Revocation.objects.get(pk=revocation_id)
    if isinstance(by, User):
        policies.can_prove_revocation(by, case).enforce()
    asked = doors.registered()
    if not asked or not (isinstance(by, User) or _is_owed(revocation_id, asked)):
        return []
    return _keep(revocation_id, asked, _ask(case, asked), by=by)


def _is_owed(revocation_id: int, asked: list[Door]) -> bool:
    return unproved_at(asked).filter(pk=revocation_id).exists()


def _ask(case: Revocation, asked: Iterable[Door]) -> dict[str, _Answers]:
    """By the doors' references. Doors that serve alike decide alike, so each kind is asked once."""
    kinds = {(door.audience, door.sandbox): _Answers() for door in asked}
    for facts in _facts_of(case):
        now = timezone.now()
        for (audience, sandbox), answers in kinds.items():
            verdict = decide(facts, audience=audience, scope=None, now=now, sandbox=sandbox)
            answers.note(facts.kid, through=bool(verdict))
    return {door.ref: kinds[door.audience, door.sandbox] for door in asked}


def _facts_of(case: Revocation) -> Iterator[Facts]:
    """Of every key, some at once and without holding anything: neither memory nor locks grow."""
    items, last = case.items.order_by("pk"), 0
    while page := list(
        items.filter(pk__gt=last).values_list("pk", "credential__kid")[:ASK_AT_ONCE]
    ):
        last = page[-1][0]
        yield from read_many_facts(kid for _, kid in page)


@transaction.atomic
def _keep(
    revocation_id: int, asked: list[Door], answers: dict[str, _Answers], *, by: Actor
) -> list[RevocationProof]:
    case = Revocation.objects.select_for_update().get(pk=revocation_id)
    if not isinstance(by, User) and not _is_owed(revocation_id, asked):
        return []  # another worker was first
    rows = [_row(case, door, answers[door.ref]) for door in asked]
    RevocationProof.objects.bulk_create(rows)
    through = sum(row.asked - row.refused for row in rows)
    payload = {"doors": len(rows), "count": case.count, "let_through": through}
    record_event("revocation.proved", subject=case.ref, thread=case.ref, by=by, payload=payload)
    if through:
        log.error("%s: doors still let keys through: %d answers", case.ref, through)
    return rows


def _row(case: Revocation, door: Door, found: _Answers) -> RevocationProof:
    return RevocationProof(
        revocation=case,
        door=door.ref,
        name=door.name,
        asked=found.asked,
        refused=found.asked - found.let_through,
        let_through=found.kids,
        at=found.at or timezone.now(),
    )
