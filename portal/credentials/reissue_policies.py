"""Who may do what with re-issues, now: whoever may revoke many keys."""

from accounts.models import User
from portal.credentials.enums import ReissueStatus, RevocationStatus
from portal.credentials.models import Reissue, Revocation
from portal.credentials.policies import can_revoke_in_bulk
from portal.verdict import Verdict, deny

_RUN = (RevocationStatus.COMPLETED, RevocationStatus.COMPLETED_WITH_STRAGGLERS)


def can_reissue(user: User, revocation: Revocation) -> Verdict:
    """Open a re-issue after a case has run."""
    may = can_revoke_in_bulk(user)
    if may and revocation.rehearsal:
        return deny("rehearsal", "It was a drill: whoever has keys to test makes others.")
    if may and revocation.status not in _RUN:
        return deny("not_run", "New keys come after the case has run: every key marked, all told.")
    return may


def can_decide_reissue(user: User, reissue: Reissue) -> Verdict:
    """Confirm a preview; the clock and the digest are the service's to look at."""
    may = can_revoke_in_bulk(user)
    if may and reissue.status != ReissueStatus.PREVIEWED:
        return deny("decided", f"{reissue.ref} has been decided already.")
    return may


def can_approve_reissue(user: User, reissue: Reissue) -> Verdict:
    """Be the second of two who confirm."""
    may = can_revoke_in_bulk(user)
    if may and reissue.status != ReissueStatus.AWAITING_SECOND:
        return deny("not_asked", f"Nobody has asked for a second person for {reissue.ref}.")
    if may and reissue.asked_by_id == user.pk:
        return deny("same_person", "You have confirmed it already. It takes somebody else now.")
    return may


def can_cancel_reissue(user: User, reissue: Reissue) -> Verdict:
    may = can_revoke_in_bulk(user)
    if may and reissue.status not in (ReissueStatus.PREVIEWED, ReissueStatus.AWAITING_SECOND):
        return deny("decided", f"{reissue.ref} has been decided already.")
    return may
