"""The ruling: approve, decline, waitlist."""

from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from portal.applications import notices
from portal.applications.enums import ApplicationStatus as S
from portal.applications.models import Application, Revision
from portal.applications.services import move_application
from portal.applications.services.moving import lock_application
from portal.audit.services import record_event
from portal.credentials.services import open_grant, reserve_place
from portal.errors import Invalid
from portal.programs.selectors import signed_current_agreement
from portal.reviews import policies
from portal.reviews.enums import DecisionReason, Outcome
from portal.reviews.models import Decision
from portal.reviews.services.reading import read_revision

TAKE_OFFER_WITHIN = timedelta(days=14)
MOST_TEXT = 5000


@transaction.atomic
def approve_application(
    *, application_id: int, revision: int, scopes: list[str], text: str, by: User
) -> Application:
    """Approve with these scopes, at most those asked for and within the phase's ceiling.

    Here and in the other rulings `revision` is the number of the one that was read.

    Holding the phase's row, two approvals for the last place come one after the other. Where the
    current agreement is signed the grant opens at once and the worker is rung after commit;
    otherwise the applicant has two weeks to sign.
    """
    application = lock_application(application_id)
    policies.can_approve_application(by, application).enforce()
    judged = read_revision(application, revision)
    reserve_place(phase_id=application.phase_id, by=by)
    application.approved_scopes = _approvable(application, scopes)
    _record_decision(
        application,
        judged,
        outcome=Outcome.APPROVED,
        reason_code=DecisionReason.MEETS_CRITERIA,
        text=text,
        by=by,
    )
    move_application(
        application,
        to=S.APPROVED,
        by=by,
        expires_at=timezone.now() + TAKE_OFFER_WITHIN,
        payload={"scopes": application.approved_scopes},
    )
    if signed_current_agreement(application.applicant_id, application.phase.release):
        open_grant(application=application, by=by)
        notices.application_approved(application)
    else:
        notices.application_offered(application)
    return application


@transaction.atomic
def decline_application(
    *,
    application_id: int,
    revision: int,
    reason_code: str,
    text: str,
    by: User,
    may_reapply_from: date | None = None,
) -> Application:
    """Decline with a reason code, words for the applicant, and when they may apply again.

    Declining an appeal is final.
    """
    application = lock_application(application_id)
    policies.can_decide_application(by, application).enforce()
    judged = read_revision(application, revision)
    final = application.status == S.APPEALED
    _must_say_why(reason_code, text)
    _record_decision(
        application,
        judged,
        outcome=Outcome.DECLINED_FINAL if final else Outcome.DECLINED,
        reason_code=reason_code,
        text=text,
        may_reapply_from=may_reapply_from,
        by=by,
    )
    move_application(
        application,
        to=S.DECLINED_FINAL if final else S.DECLINED,
        by=by,
        payload={"reason": reason_code},
    )
    notices.application_declined(application, text=text, final=final)
    return application


@transaction.atomic
def waitlist_application(*, application_id: int, revision: int, text: str, by: User) -> Application:
    """Good enough, but no place; a reviewer takes it back into review when one frees."""
    application = lock_application(application_id)
    policies.can_waitlist_application(by, application).enforce()
    judged = read_revision(application, revision)
    _record_decision(
        application,
        judged,
        outcome=Outcome.WAITLISTED,
        reason_code=DecisionReason.NO_PLACE,
        text=text,
        by=by,
    )
    move_application(application, to=S.WAITLISTED, by=by)
    notices.application_waitlisted(application, text=text)
    return application


def _record_decision(
    application: Application,
    revision: Revision,
    *,
    outcome: Outcome,
    reason_code: str,
    text: str,
    by: User,
    may_reapply_from: date | None = None,
) -> Decision:
    decision = Decision.objects.create(
        application=application,
        revision=revision,
        outcome=outcome,
        reason_code=reason_code,
        text=text.strip(),
        may_reapply_from=may_reapply_from,
        scopes=application.approved_scopes,
        decided_by=by,
    )
    record_event(
        "review.decided",
        subject=decision.ref,
        thread=application.ref,
        by=by,
        payload={"outcome": outcome, "reason": reason_code},
    )
    return decision


def _approvable(application: Application, scopes: list[str]) -> list[str]:
    asked = set(application.scopes)
    ceiling = set(application.phase.capabilities.values_list("scope", flat=True))
    if not scopes:
        raise Invalid("scopes_missing", "Approve at least one capability, or decline.")
    if set(scopes) - asked:
        raise Invalid("scopes_not_asked", "Approve only capabilities that were asked for.")
    if set(scopes) - ceiling:
        raise Invalid("scopes_above_ceiling", "The phase no longer allows all of these.")
    return sorted(set(scopes))


def _must_say_why(reason_code: str, text: str) -> None:
    declining = set(DecisionReason.values) - {DecisionReason.MEETS_CRITERIA}
    if reason_code not in declining:
        raise Invalid("reason_missing", "Choose a reason.", {"reason_code": "Choose a reason."})
    if not text.strip():
        raise Invalid("text_missing", "Tell the applicant why.", {"text": "Say why."})
    if len(text) > MOST_TEXT:
        raise Invalid("text_long", "Write at most 5,000 characters.", {"text": "Shorten this."})
