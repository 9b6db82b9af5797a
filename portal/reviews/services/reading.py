"""An opinion or a ruling is about the text that was read."""

from portal.applications.models import Application, Revision
from portal.errors import Conflict
from portal.reviews.selectors import latest_revision


def read_revision(application: Application, number: int) -> Revision:
    """The latest revision, if it is the one that was read; the caller holds the application's lock.

    Raises Conflict: a page may have stood open while the applicant answered a change request.
    """
    latest = latest_revision(application)
    if latest.number != number:
        raise Conflict(
            "revision_changed",
            f"Revision {latest.number} has come in since you opened this page, which was about "
            f"revision {number}. Nothing is recorded: read it, then come back here.",
        )
    return latest
