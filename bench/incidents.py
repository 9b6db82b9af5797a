"""The one place that knows how a case of revocation is previewed and confirmed."""

from accounts.models import User
from portal.credentials.enums import RevocationStatus
from portal.credentials.models import Revocation
from portal.credentials.services import (
    approve_revocation,
    preview_revocation,
    start_revocation,
    word_of,
)
from portal.credentials.targets import Selector
from portal.credentials.verification import explain_many

RELEASE = "REL-BENCHMRK"
EVERYTHING = Selector(release=RELEASE)


def preview(by: User, selector: Selector = EVERYTHING) -> Revocation:
    return preview_revocation(selector=selector, reason="incident", note="", by=by)


def confirm(case: Revocation, by: User, second: User) -> None:
    """By both, where it takes two: from then on its keys are dead, and it stays confirmed."""
    typed = {
        "digest": case.digest,
        "typed_count": str(case.count),
        "typed_word": word_of(case.digest),
    }
    why = "The bench kills whatever it has made."
    asked = start_revocation(revocation_id=case.pk, by=by, beyond_cap=why, **typed)
    if asked.status == RevocationStatus.AWAITING_SECOND:
        approve_revocation(revocation_id=case.pk, by=second, **typed)


def must_be_dead(case: Revocation) -> None:
    """Every hundredth key is refused, though workers have yet to write so on most of them."""
    alive, asked = _working(case)
    if alive:
        raise SystemExit(f"{alive} of {asked} keys still work.")


def must_be_alive(case: Revocation) -> None:
    """The same keys work, so that it is the case that kills them."""
    alive, asked = _working(case)
    if alive < asked:
        raise SystemExit(
            f"{asked - alive} of {asked} keys do not work before the case is confirmed."
        )


def _working(case: Revocation) -> tuple[int, int]:
    """(how many work, how many were asked about)."""
    kids = list(case.items.order_by("pk").values_list("credential__kid", flat=True))[::100]
    return sum(bool(said) for said in explain_many(kids).values()), len(kids)
