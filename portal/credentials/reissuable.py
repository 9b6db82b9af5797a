"""Which grants of a case can get a new slot once it has run, and why others cannot.

Read when a re-issue is previewed, and again, under the grants' locks, when workers make the slots.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from accounts.models import Organization
from portal.credentials.enums import ItemStatus, KeyKind
from portal.credentials.judged import refused_grants
from portal.credentials.lifecycle import LIVE
from portal.credentials.models import (
    COUNTED,
    Credential,
    Grant,
    Reissue,
    ReissueItem,
    Revocation,
    RevocationItem,
)
from portal.credentials.selectors import is_large, reaches_critical
from portal.credentials.targets import as_rows, barred_grants
from portal.verdict import Verdict, deny

INDIVIDUALS = "individuals"  # chosen in place of a partner: those who are here on their own
_LIVES = deny("lives", "The grant has a live key, or a slot to claim, already.")
_REISSUED = deny("reissued", "Another re-issue of this case has it.")
_BARRED = deny("barred", "Staff revoked or paused keys of the grant apart from this case.")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A grant of the case, with the newest of its keys that the case has revoked."""

    grant_id: int
    credential_id: int
    kid: str


def candidates(case: Revocation, chosen: str = "") -> list[Candidate]:
    """Every grant with a key in the case, in the order of their ids.

    `chosen` narrows it to one partner by reference, or to INDIVIDUALS. Keys to test are left
    alone: whoever looks after them makes others without us.
    """
    newest = (
        _dead(case, chosen)
        .order_by("credential__grant_id", "-credential_id")
        .distinct("credential__grant_id")
        .values_list("credential__grant_id", "credential_id", "credential__kid")
    )
    return [Candidate(*row) for row in newest]


def grants_of_kids(case: Revocation, kids: set[str], chosen: str = "") -> dict[str, int]:
    """The grant's id by kid, of those kids that are among the case's."""
    rows = _dead(case, chosen).filter(credential__kid__in=kids)
    return dict(rows.values_list("credential__kid", "credential__grant"))


def _dead(case: Revocation, chosen: str) -> QuerySet[RevocationItem]:
    items = case.items.exclude(status=ItemStatus.FROZEN).filter(credential__kind=KeyKind.LIVE)
    if chosen == INDIVIDUALS:
        return items.filter(credential__grant__organization=None)
    return items.filter(credential__grant__organization__ref=chosen) if chosen else items


def partners_in(case: Revocation) -> list[tuple[str, str, int]]:
    """(reference or INDIVIDUALS, name, grants) of each partner whose keys the case revoked."""
    rows = (
        _dead(case, "")
        .order_by("credential__grant__organization__name")
        .values_list(
            "credential__grant__organization__ref", "credential__grant__organization__name"
        )
        .annotate(grants=Count("credential__grant", distinct=True))
    )
    return [(ref or INDIVIDUALS, name or "Individuals", count) for ref, name, count in rows]


def words_of_choice(reissue: Reissue) -> str:
    """Whom it is for: All, Individuals, or the partner's name."""
    if reissue.chosen == INDIVIDUALS:
        return "Individuals"
    partner = Organization.objects.filter(ref=reissue.chosen).first() if reissue.chosen else None
    return str(partner or reissue.chosen or "Every partner")


def refusals(
    case: Revocation, grants: Collection[int], *, within: Reissue | None = None
) -> dict[int, Verdict]:
    """Why they get no new slot, by the grant's id, of those of `grants` that get none. `within` is
    the re-issue that is asking, which is no other one. Four statements, however many there are.
    """
    these = Grant.objects.filter(pk__in=as_rows(grants, of="bigint"))
    live = Credential.objects.filter(grant__in=these, kind=KeyKind.LIVE, status__in=LIVE)
    others = ReissueItem.objects.filter(revocation=case, grant__in=these, status__in=COUNTED)
    if within:
        others = others.exclude(reissue=within)
    found = dict.fromkeys(barred_grants(these, beside=case), _BARRED)
    found |= refused_grants(grants)
    found |= dict.fromkeys(live.values_list("grant", flat=True), _LIVES)
    return found | dict.fromkeys(others.values_list("grant", flat=True), _REISSUED)


def reissue_needs_second(reissue: Reissue) -> bool:
    """Whether one person is not enough: as for the case itself, and counted over all of its
    re-issues that were not dropped, so that many small ones are one large one.
    """
    if reissue.revocation.needs_second:
        return True
    slots = ReissueItem.objects.filter(revocation=reissue.revocation, status__in=COUNTED)
    if is_large(slots.count()):
        return True
    of_these = reissue.items.order_by().filter(status__in=COUNTED)
    return reaches_critical(
        of_these.values_list("grant__phase__release", "grant__scopes").distinct()
    )


def counts(reissue: Reissue) -> dict[str, int]:
    """Items by status, with those present."""
    rows: Any = reissue.items.order_by().values_list("status").annotate(Count("pk"))
    return dict(rows)
