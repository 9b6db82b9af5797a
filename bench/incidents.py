"""The one place that knows how a case of revocation is previewed and confirmed."""

from accounts.models import User
from portal.credentials.models import Revocation
from portal.credentials.selectors import Selector
from portal.credentials.services import preview_revocation, start_revocation


def preview(by: User) -> Revocation:
    """Of every key of the bench's release."""
    return preview_revocation(
        selector=Selector("release", "REL-BENCHMRK"), reason="incident", note="", by=by
    )


def confirm(case: Revocation, by: User) -> None:
    start_revocation(revocation_id=case.pk, digest=case.digest, typed_count=str(case.count), by=by)
