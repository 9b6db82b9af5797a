"""Where a case stands in a word or two: its pill, the same on its page, in lists and in a shell."""

from collections.abc import Sequence
from dataclasses import dataclass

from portal.credentials.contained import with_spent
from portal.credentials.enums import RevocationStatus
from portal.credentials.models import Revocation
from portal.credentials.selectors import KEYS_REVOKED
from portal.mail.selectors import leaving_about


@dataclass(frozen=True)
class Standing:
    status: str  # a state whose mark stands beside the words
    words: str


def standing_of(case: Revocation) -> Standing:
    return standings_of([case])[case.pk]


def standings_of(cases: Sequence[Revocation]) -> dict[int, Standing]:
    """By id, in at most two statements, however many cases."""
    held = [case.pk for case in cases if case.is_contained]
    spent = set()
    if held:
        rows = with_spent(Revocation.objects.filter(pk__in=held)).filter(spent=True)
        spent = set(rows.values_list("pk", flat=True))
    done = [case.ref for case in cases if case.status == RevocationStatus.COMPLETED]
    leaving = leaving_about(done, template=KEYS_REVOKED) if done else set()
    return {
        case.pk: _standing(case, spent=case.pk in spent, leaving=case.ref in leaving)
        for case in cases
    }


def _standing(case: Revocation, *, spent: bool, leaving: bool) -> Standing:
    """Completed is one of which every mail has left, too (headway.py says the same at length)."""
    if case.is_contained:
        held = Standing("suspended", "Contained")
        return Standing("ended", "Nothing left to decide") if spent else held
    if case.paused_at:
        return Standing("suspended", "Paused")
    if leaving:
        return Standing("running", "Mails are leaving")
    return Standing(case.status, case.get_status_display())
