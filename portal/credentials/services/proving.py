"""Every key of a case is asked about at every door, and the answers are kept as proof.

What is asked is the doors' own decision (verification.decide) on what stands in PostgreSQL now.
What a gateway keeps for some seconds it cannot know (proof.may_be_late). No key can be shown over
HTTP: of keys and of gateways' secrets only hashes are kept, so that nobody, the portal included,
can pass for a partner.

Workers ask page by page, and write down how far they are (RevocationRound): killed anywhere, the
next goes on where it stopped, and one at a time has a case.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import User
from portal.audit.services import Actor, record_event
from portal.credentials import doors, policies, tasks
from portal.credentials.doors import Door
from portal.credentials.facts import Facts, read_many_facts
from portal.credentials.models import Revocation, RevocationProof, RevocationRound
from portal.credentials.proof import unproved_at
from portal.credentials.services.leasing import LEASE, LeaseLostError, held, take_lease
from portal.credentials.verification import decide
from portal.doorbell import ring_after_commit

log = logging.getLogger(__name__)

ASK_AT_ONCE = 1000
WORK_FOR = 5.0  # seconds a task
SHOWN = 100  # kids let through that are kept by name; how many there are in all is counted


@dataclass
class _Answers:
    """Of one kind of door so far: doors that serve alike decide alike."""

    audience: str
    sandbox: bool
    asked: int = 0
    let_through: int = 0
    at: datetime | None = None  # the last answer; none before a key was asked about
    kids: list[str] = field(default_factory=list)

    def ask(self, facts: Facts, now: datetime) -> None:
        through = bool(
            decide(facts, audience=self.audience, scope=None, now=now, sandbox=self.sandbox)
        )
        self.asked += 1
        self.let_through += through
        self.at = timezone.now()
        if through and len(self.kids) < SHOWN:
            self.kids.append(facts.kid)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"at": self.at and self.at.isoformat()}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "_Answers":
        return cls(**kept | {"at": parse_datetime(kept["at"]) if kept["at"] else None})


def prove_revocation(*, revocation_id: int, by: Actor) -> list[RevocationProof]:
    """Ask every registered door about every key of the case; returns what each answered, or
    nothing where a worker has to come again for the rest.

    A person may ask again at any time, and waits for the answers. Workers ask until one round found
    all refused: run late, twice or at once with another one changes nothing. Without any door there
    is nothing to ask and nothing is kept.
    """
    case = Revocation.objects.get(pk=revocation_id)
    if isinstance(by, User):
        policies.can_prove_revocation(by, case).enforce()
    asked = doors.registered()
    if not asked:
        return []
    if not isinstance(by, User):
        return _go_on(case, asked, by=by)
    return _keep(revocation_id, asked, _ask_all(case, asked), by=by)


def _is_owed(revocation_id: int, asked: list[Door]) -> bool:
    return unproved_at(asked).filter(pk=revocation_id).exists()


# --- Asking ---------------------------------------------------------------------------------------
def _kinds(asked: Iterable[Door]) -> list[_Answers]:
    return [
        _Answers(*kind) for kind in dict.fromkeys((each.audience, each.sandbox) for each in asked)
    ]


def _ask_all(case: Revocation, asked: Iterable[Door]) -> list[_Answers]:
    kinds, last = _kinds(asked), 0
    while page := _page_of(case, last):
        last = _ask(kinds, page)
    return kinds


def _page_of(case: Revocation, last: int) -> list[tuple[int, str]]:
    """(id, kid) of the items after this one, so many: neither memory nor locks grow."""
    items = case.items.filter(pk__gt=last).order_by("pk")
    return list(items.values_list("pk", "credential__kid")[:ASK_AT_ONCE])


def _ask(kinds: Iterable[_Answers], page: list[tuple[int, str]]) -> int:
    """Have each kind of door decide about each key; returns the last item's id."""
    for facts in read_many_facts(kid for _, kid in page):
        now = timezone.now()
        for kind in kinds:
            kind.ask(facts, now)
    return page[-1][0]


# --- By workers -----------------------------------------------------------------------------------
def _go_on(case: Revocation, asked: list[Door], *, by: Actor) -> list[RevocationProof]:
    """For some seconds; rings for the rest."""
    if not _is_owed(case.pk, asked):
        return []
    round_, _made = RevocationRound.objects.get_or_create(
        revocation=case, defaults={"kinds": [each.as_json() for each in _kinds(asked)]}
    )
    fence = take_lease(RevocationRound, round_.pk)
    if fence is None:
        return []
    ends = time.monotonic() + WORK_FOR
    try:
        while _ask_some(case, round_.pk, fence):
            if time.monotonic() >= ends:
                _hand_back(round_.pk, fence)
                return []
        return _end(case, round_.pk, fence, asked, by=by)
    except LeaseLostError:
        return []  # another worker has it, or somebody has asked meanwhile


@transaction.atomic
def _ask_some(case: Revocation, round_id: int, fence: int) -> bool:
    """A page more; False when there is none."""
    round_: RevocationRound = held(RevocationRound, round_id, fence)
    page = _page_of(case, round_.last_item)
    if not page:
        return False
    kinds = [_Answers.from_json(each) for each in round_.kinds]
    round_.last_item = _ask(kinds, page)
    round_.kinds = [each.as_json() for each in kinds]
    round_.leased_until = timezone.now() + LEASE
    round_.save(update_fields=["last_item", "kinds", "leased_until"])
    return True


@transaction.atomic
def _hand_back(round_id: int, fence: int) -> None:
    round_: RevocationRound = held(RevocationRound, round_id, fence)
    round_.leased_until = None
    round_.save(update_fields=["leased_until"])
    ring_after_commit(tasks.prove_revocation, round_.revocation_id)


@transaction.atomic
def _end(
    case: Revocation, round_id: int, fence: int, asked: list[Door], *, by: Actor
) -> list[RevocationProof]:
    """Doors of a kind that came meanwhile were not asked, and have no answer."""
    Revocation.objects.select_for_update().get(pk=case.pk)  # before the round, as a person does
    round_: RevocationRound = held(RevocationRound, round_id, fence)
    kinds = [_Answers.from_json(each) for each in round_.kinds]
    return _keep(case.pk, asked, kinds, by=by)


# --- Keeping --------------------------------------------------------------------------------------
@transaction.atomic
def _keep(
    revocation_id: int, asked: list[Door], kinds: list[_Answers], *, by: Actor
) -> list[RevocationProof]:
    case = Revocation.objects.select_for_update().get(pk=revocation_id)
    RevocationRound.objects.filter(revocation=case).delete()  # whoever asks next begins anew
    if not isinstance(by, User) and not _is_owed(revocation_id, asked):
        return []  # another was first
    answers = {(each.audience, each.sandbox): each for each in kinds}
    found = ((door, answers.get((door.audience, door.sandbox))) for door in asked)
    rows = [_row(case, door, answer) for door, answer in found if answer]
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
