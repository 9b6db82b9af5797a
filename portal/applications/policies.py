"""What the applicant may do with an application, now. Staff's side is in portal.reviews."""

from django.db.models import Max
from django.utils import timezone

from accounts.models import Organization, User
from portal.applications.enums import ApplicationStatus as S
from portal.applications.lifecycle import EDITABLE, OPEN, TRANSITIONS
from portal.applications.models import Application
from portal.programs.models import RolloutPhase
from portal.programs.policies import can_apply_to_phase
from portal.verdict import Verdict, allow, deny

_NOT_YOURS = deny("not_yours", "Only the applicant can do this.")
_SUSPENDED = deny("account_suspended", "Your account is suspended; write to us to have it back.")


def can_view_application(user: User, application: Application) -> Verdict:
    """The applicant, and staff who may read applications."""
    if application.applicant_id == user.pk or user.has_perm("applications.view_application"):
        return allow()
    return _NOT_YOURS


def can_apply_again(user: User, phase: RolloutPhase) -> Verdict:
    """Not before the day an earlier refusal named. Rulings are known here by relation only."""
    told = Application.objects.filter(phase=phase, applicant=user).aggregate(
        until=Max("decisions__may_reapply_from")
    )
    if told["until"] and told["until"] > timezone.now().date():
        return deny(
            "too_early", f"You may apply to this phase again from {told['until']:%-d %B %Y}."
        )
    return allow()


def can_edit_application(user: User, application: Application) -> Verdict:
    if application.applicant_id != user.pk:
        return _NOT_YOURS
    if user.suspended_at:
        return _SUSPENDED
    if application.status not in EDITABLE:
        return deny("not_editable", "It has been submitted; what you sent stays as it was.")
    return allow()


def can_submit_application(user: User, application: Application) -> Verdict:
    """A first submission needs the phase open; an answer to a change request does not."""
    editable = can_edit_application(user, application)
    if not editable or application.status == S.CHANGES_REQUESTED:
        return editable
    return can_apply_to_phase(user, application.phase)


def can_withdraw_application(user: User, application: Application) -> Verdict:
    if application.applicant_id != user.pk:
        return _NOT_YOURS
    if S.WITHDRAWN not in TRANSITIONS[application.status]:
        return deny("not_withdrawable", "It is past the point where it can be withdrawn.")
    return allow()


def can_appeal_application(user: User, application: Application) -> Verdict:
    if application.applicant_id != user.pk:
        return _NOT_YOURS
    if application.status != S.DECLINED:
        return deny("not_appealable", "Only a declined application can be appealed, and once.")
    if user.suspended_at:
        return _SUSPENDED
    others = Application.objects.filter(phase=application.phase_id, applicant=user)
    if others.filter(status__in=OPEN).exists():
        return deny("applied_again", "You have applied again; that application is looked at.")
    return allow()


def can_be_given(*, person_id: int, organization_id: int | None, phase_id: int) -> Verdict:
    """Whether access may be given now to this person, in this organisation's name, in this phase.

    Asked again at each step from approval to the key: between two of them somebody may leave the
    organisation or be suspended. Reads the rows as they are now, because what the caller holds
    may be from before it waited for a lock. The words are for staff and the person alike.
    """
    person = User.objects.get(pk=person_id)
    if not person.is_active or person.suspended_at:
        return deny("applicant_suspended", "The account of the person it is for is suspended.")
    if RolloutPhase.objects.filter(pk=phase_id, halted_at__isnull=False).exists():
        return deny(
            "phase_halted", "This phase is halted: nothing is given in it until it goes on."
        )
    if organization_id is None:
        return allow()
    if Organization.objects.filter(pk=organization_id, suspended_at__isnull=False).exists():
        return deny("organization_suspended", "The organisation it is for is suspended.")
    if not person.memberships.filter(organization=organization_id).exists():
        return deny(
            "not_a_member", "The person it is for is no longer a member of the organisation."
        )
    return allow()


def can_send_message(user: User, application: Application) -> Verdict:
    """Either side of the thread, while the application is open."""
    staff = user.has_perm("reviews.review_application")
    if application.applicant_id != user.pk and not staff:
        return _NOT_YOURS
    if application.status not in OPEN or application.status == S.DRAFT:
        return deny("thread_closed", "This application is closed, and so is its thread.")
    return allow()
