"""Celery leaves: ids in, one service call, safe to run twice, at once and late.

Services ring these, so each body imports its service.
"""

import logging

from celery import shared_task

from portal.audit.services import System
from portal.doorbell import ring

log = logging.getLogger(__name__)

A_COHORT = 20  # more than so many grants at once are issued in batches


@shared_task(name="credentials.issue")
def issue_credential(grant_id: int) -> None:
    """Finish what the grant lacks; a failure is counted on the row and tried again later."""
    from portal.credentials import services  # noqa: PLC0415 - services ring this module

    worker = System("worker")
    try:
        services.issue_credential(grant_id=grant_id, by=worker)
    except Exception as error:  # whatever it was, the row says so and reconcile comes back
        log.exception("issuing under grant %s failed", grant_id)
        services.note_issue_failure(grant_id=grant_id, error=type(error).__name__, by=worker)


@shared_task(name="credentials.issue_waiting")
def issue_waiting() -> None:
    """Finish a hundred grants at once, for a cohort; rings for the next hundred."""
    from portal.credentials import services  # noqa: PLC0415 - services ring this module

    services.issue_waiting(by=System("worker"))


# One step may take long where a partner has very many keys: the soft limit comes before the hard
# one kills the worker, so that it counts as a failed attempt, shown on the page and put off.
@shared_task(name="credentials.finish_revocation", soft_time_limit=25)
def finish_revocation(revocation_id: int) -> None:
    """Tell the holders of one chunk of a case whose keys are dead already."""
    from portal.credentials import services  # noqa: PLC0415 - services ring this module

    services.finish_revocation(revocation_id=revocation_id, by=System("worker"))


@shared_task(name="credentials.finish_reissue", soft_time_limit=25)
def finish_reissue(reissue_id: int) -> None:
    """Make the slots of one chunk of a confirmed re-issue, and tell partners of them."""
    from portal.credentials import services  # noqa: PLC0415 - services ring this module

    services.finish_reissue(reissue_id=reissue_id, by=System("worker"))


@shared_task(name="credentials.prove_revocation")
def prove_revocation(revocation_id: int) -> None:
    """Ask every door about some keys of a case that is confirmed, until all are refused once."""
    from portal.credentials import services  # noqa: PLC0415 - services ring this module

    services.prove_revocation(revocation_id=revocation_id, by=System("worker"))


@shared_task(name="credentials.reconcile")
def reconcile() -> None:
    """Ring again for rows nobody finished, put away what time has ended, and tell what it will."""
    from portal.credentials import proof, selectors, services  # noqa: PLC0415 - services ring this

    unfinished = selectors.unfinished_grants()
    if len(unfinished) > A_COHORT:
        ring(issue_waiting)
    for grant_id in unfinished[:A_COHORT]:  # those that failed in a batch are among them
        ring(issue_credential, grant_id)
    for revocation_id in selectors.unfinished_revocations():
        ring(finish_revocation, revocation_id)
    for reissue_id in selectors.unfinished_reissues():
        ring(finish_reissue, reissue_id)
    for revocation_id in proof.unproved_revocations():
        ring(prove_revocation, revocation_id)
    services.close_what_is_over(by=System("clock"))
    services.remind_of_expiry(by=System("clock"))
    services.note_spent_cases()
