"""The one place that knows how a case of revocation is previewed and confirmed."""

from accounts.models import User
from portal.credentials.models import Revocation
from portal.credentials.services import preview_revocation, start_revocation, word_of
from portal.credentials.targets import Selector


def preview(by: User) -> Revocation:
    """Of every key of the bench's release."""
    case = preview_revocation(
        selector=Selector(release="REL-BENCHMRK"), reason="incident", note="", by=by
    )
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
