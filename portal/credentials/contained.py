"""Cases that hold their keys for now, and whether anything of them is left to decide.

What one case holds another may revoke. The first then waits for nobody; but it stays open, and
keeps new keys from its grants, until somebody closes it.
"""

from dataclasses import dataclass

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When

from portal.credentials.enums import CredentialStatus as C
from portal.credentials.enums import ItemStatus
from portal.credentials.models import Revocation, RevocationItem

MOST_CONTAINED = 100
CONTAINED_NOW = Q(contained_at__isnull=False, released_at=None, confirmed_at=None)


@dataclass(frozen=True)
class ContainedCases:
    """Those whose keys are refused for now, the longest first."""

    waiting: list[Revocation]  # for somebody to decide
    spent: list[Revocation]  # for somebody to close them: nothing is left to decide


def contained_cases() -> ContainedCases:
    # Mostly there is none, and to ask only that is far less work than to put the whole together.
    if not Revocation.objects.filter(CONTAINED_NOW).exists():
        return ContainedCases([], [])
    # Those noted as spent come last: however many nobody closes, none that waits is missed.
    waiting_first = F("spent_at").asc(nulls_first=True)
    held = Revocation.objects.filter(CONTAINED_NOW).order_by(waiting_first, "contained_at")
    found = list(with_spent(held)[:MOST_CONTAINED])
    return ContainedCases(
        waiting=[case for case in found if not case.spent],
        spent=[case for case in found if case.spent],
    )


def with_spent(cases: QuerySet[Revocation]) -> QuerySet:
    """With `spent`: whether a case is contained and revoking its keys would kill none of them.

    Every key has to be looked at for that, on every staff page; but no key that is over ever lives
    again, so of a case that a worker has found spent (services/noting.py) nobody looks at any.
    """
    nothing_left = Q(spent_at__isnull=False) | ~Exists(_undecided_items())
    spent = When(CONTAINED_NOW & nothing_left, then=Value(value=True))
    return cases.annotate(spent=Case(spent, default=Value(value=False)))


def is_spent(case: Revocation) -> bool:
    return case.is_contained and with_spent(Revocation.objects.filter(pk=case.pk)).get().spent


def _undecided_items() -> QuerySet[RevocationItem]:
    """Those of the case outside whose keys could live, or be barred from a successor, through it
    alone: no key that is over, nor one that staff revoked, written on it yet or not.
    """
    counts = Q(revocation__rehearsal=False) | Q(
        revocation__rehearsal=OuterRef("revocation__rehearsal")
    )  # a drill bars no new keys, so after one a case in earnest has that left to decide
    unmarked = RevocationItem.objects.filter(
        counts,
        credential=OuterRef("credential"),
        status=ItemStatus.FROZEN,
        revocation__confirmed_at__isnull=False,
    )
    over = Q(credential__status__in=(C.RETIRED, C.EXPIRED, C.LAPSED))
    by_staff = Q(credential__revoked_by_staff=True) | Q(revocation__rehearsal=True)
    revoked = Q(credential__status=C.REVOKED) & by_staff
    of_case = RevocationItem.objects.filter(revocation=OuterRef("pk"))
    return of_case.filter(~over, ~revoked, ~Exists(unmarked))
