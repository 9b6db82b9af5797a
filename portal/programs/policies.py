"""Who may change a programme, and who may ask to join one."""

from django.utils import timezone

from accounts.models import User
from portal.programs.models import ModelRelease, RolloutPhase
from portal.verdict import Verdict, allow, deny


def can_edit_programme(user: User) -> Verdict:
    if not user.has_perm("programs.change_rolloutphase"):
        return deny("no_permission", "Only a programme manager can change a programme.")
    return allow()


def can_publish_release(user: User, release: ModelRelease) -> Verdict:
    may = can_edit_programme(user)
    if may and release.published_at:
        return deny("already_published", "This release is published already.")
    return may


def can_publish_agreement(user: User, release: ModelRelease) -> Verdict:
    if not user.has_perm("programs.add_agreementversion"):
        return deny("no_permission", "Only a programme manager can publish terms.")
    return allow()


def can_halt_phase(user: User, phase: RolloutPhase) -> Verdict:
    if not user.has_perm("programs.halt_phase"):
        return deny("no_permission", "Ask a programme manager or an incident responder.")
    if phase.halted_at:
        return deny("already_halted", "This phase is halted already.")
    return allow()


def can_resume_phase(user: User, phase: RolloutPhase) -> Verdict:
    if not user.has_perm("programs.halt_phase"):
        return deny("no_permission", "Ask a programme manager or an incident responder.")
    if not phase.halted_at:
        return deny("not_halted", "This phase is not halted.")
    return allow()


def can_apply_to_phase(user: User, phase: RolloutPhase) -> Verdict:
    """Everyone with a sound account, while the phase stands open."""
    if not user.is_active or user.suspended_at:
        return deny("account_suspended", "Your account is suspended; write to us to have it back.")
    return phase_is_open(phase)


def phase_is_open(phase: RolloutPhase) -> Verdict:
    """Whether the phase takes applications now, whoever asks."""
    now = timezone.now()
    if not phase.release.published_at or not phase.opens_at:
        return deny("not_open", "This phase is not open for applications.")
    if phase.halted_at:
        return deny("phase_halted", "The programme has paused this phase; try again later.")
    if now < phase.opens_at:
        return deny("not_yet_open", f"This phase opens on {phase.opens_at:%-d %B %Y}.")
    if phase.closes_at and now >= phase.closes_at:
        return deny("closed", f"This phase closed on {phase.closes_at:%-d %B %Y}.")
    return allow()
