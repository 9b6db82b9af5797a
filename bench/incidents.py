"""The one place that knows how a case of revocation is previewed and confirmed."""

from accounts.models import User
from portal.credentials.models import Revocation
from portal.credentials.services import preview_revocation, start_revocation, word_of
from portal.credentials.targets import Selector
from portal.credentials.verification import explain_many

EVERYTHING = Selector(release="REL-BENCHMRK")


def preview(by: User, selector: Selector = EVERYTHING) -> Revocation:
    case = preview_revocation(selector=selector, reason="incident", note="", by=by)
    # One person confirms here: what is timed is the act that kills.
    case.needs_second = False
    case.save(update_fields=["needs_second"])
    return case


def confirm(case: Revocation, by: User) -> None:
    start_revocation(
        revocation_id=case.pk,
        digest=case.digest,
        typed_count=str(case.count),
        typed_word=word_of(case.digest),
        beyond_cap="The bench kills whatever it has made.",
        by=by,
    )


def must_be_dead(case: Revocation) -> None:
    """Every hundredth key is refused, though workers have yet to write so on most of them."""
    kids = list(case.items.order_by("pk").values_list("credential__kid", flat=True))[::100]
    alive = [kid for kid, said in explain_many(kids).items() if said]
    if alive:
        raise SystemExit(f"{len(alive)} of {len(kids)} keys still work.")


def forget(case: Revocation) -> None:
    """As if it had never been confirmed, for the measures that follow."""
    Revocation.objects.filter(pk=case.pk).update(
        status="cancelled", confirmed_at=None, confirmed_by=None
    )
