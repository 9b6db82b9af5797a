"""Who may do what with grants and keys, now."""

from django.utils import timezone

from accounts.models import User
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.applications.policies import can_be_given
from portal.credentials.enums import CredentialStatus, GrantStatus, KeyKind, RevocationStatus
from portal.credentials.lifecycle import GRANT_TRANSITIONS, LIVE, OCCUPYING
from portal.credentials.models import Credential, Grant, Revocation
from portal.credentials.selectors import KEEPERS, TO_PARTNERS
from portal.credentials.targets import barred_grants, slot_is_in_no_case
from portal.mail.selectors import have_to_leave
from portal.verdict import Verdict, allow, deny
from portal.webhooks.selectors import have_to_arrive

MOST_LIVE_KEYS = 2  # of each kind
_NOT_YOURS = deny("not_yours", "Only the holder of the grant can do this.")
_NOT_KEPT = deny(
    "not_yours", "Only the holder, and whoever looks after their organisation's keys, can do this."
)
_SUSPENDED = deny("account_suspended", "Your account is suspended; write to us.")
_NO_PERMISSION = deny("no_permission", "Only an incident responder can do this.")
_UNDECIDED = (RevocationStatus.PREVIEWED, RevocationStatus.AWAITING_SECOND)
_UNDER_WAY = (RevocationStatus.RUNNING, RevocationStatus.COMPLETED_WITH_STRAGGLERS)


def can_view_grant(user: User, grant: Grant) -> Verdict:
    """Holder, technical contacts and owners of its organisation, staff who may read grants."""
    if manages_keys(user, grant) or user.has_perm("credentials.view_grant"):
        return allow()
    return _NOT_YOURS


def can_accept_offer(user: User, application: Application) -> Verdict:
    if application.applicant_id != user.pk:
        return deny("not_yours", "Only the applicant can take up the offer.")
    if user.suspended_at:
        return _SUSPENDED
    if application.status != ApplicationStatus.APPROVED:
        return deny("no_offer", "There is no offer to take up here.")
    if application.expires_at and application.expires_at <= timezone.now():
        return deny("offer_lapsed", "The offer has lapsed. Write to us if you still want it.")
    return can_be_given(
        person_id=application.applicant_id,
        organization_id=application.organization_id,
        phase_id=application.phase_id,
    )


def can_claim_credential(user: User, credential: Credential) -> Verdict:
    """Whoever looks after the grant's keys, while it can still be given to its holder."""
    may_claim = slot_is_claimable(user, credential) and slot_is_in_no_case(credential)
    return _can_be_handed(user, credential.grant) if may_claim else may_claim


def slot_is_claimable(user: User, credential: Credential, *, keeps: bool | None = None) -> Verdict:
    """What key and grant alone say, for a page of many keys, whose `keeps` was asked at once."""
    may = _may_keep(user, credential.grant, keeps)
    if not may:
        return may
    if credential.grant.status != GrantStatus.ACTIVE:
        return deny("grant_not_active", "The grant is not in force, so its key cannot be claimed.")
    if credential.status == CredentialStatus.REQUESTED:
        return deny("not_ready", "The key is being prepared; this takes a few seconds.")
    if credential.status != CredentialStatus.READY:
        return deny("not_claimable", "This key can no longer be claimed. Ask for another.")
    if credential.expires_at is None or credential.expires_at <= timezone.now():
        return deny("slot_lapsed", "It was not claimed in time. Ask for another.")
    return allow()


def can_request_credential(
    user: User, grant: Grant, *, barred: bool | None = None, keeps: bool | None = None
) -> Verdict:
    """Not after staff revoked keys of the grant, until they allow another.

    `barred` and `keeps` are given where a whole page of grants was asked about at once.
    """
    may = _may_keep(user, grant, keeps)
    if not may:
        return may
    may = _gives_keys(grant, barred)
    if not may:
        return may
    live = _live_keys(grant, KeyKind.LIVE)
    if any(key.status != CredentialStatus.ACTIVE for key in live):
        return deny("slot_waiting", "A key is waiting to be claimed: claim that one first.")
    if len(live) >= MOST_LIVE_KEYS:
        return deny("too_many_keys", "There are two live keys already. Revoke one first.")
    return allow()


def can_rotate_credential(user: User, credential: Credential) -> Verdict:
    """Whoever looks after the grant's keys, while it can still be given to its holder."""
    may = key_is_rotatable(user, credential)
    return _can_be_handed(user, credential.grant) if may else may


def key_is_rotatable(
    user: User, credential: Credential, *, barred: bool | None = None, keeps: bool | None = None
) -> Verdict:
    """What key and grant alone say; for a page of many keys as in `can_request_credential`."""
    may = _may_keep(user, credential.grant, keeps)
    if not may:
        return may
    if credential.status != CredentialStatus.ACTIVE:
        return deny("not_rotatable", "Only a key in use can be rotated. Ask for another.")
    if credential.expires_at is None or credential.expires_at <= timezone.now():
        return deny("key_expired", "The key has expired. Ask for another.")
    may = _gives_keys(credential.grant, barred)
    if not may:
        return may
    others = [key for key in _live_keys(credential.grant, credential.kind) if key != credential]
    if any(key.status != CredentialStatus.ACTIVE for key in others):
        return deny(
            "slot_waiting",
            "There is a key waiting to be claimed already: claim that one, or revoke it first.",
        )
    if len(others) >= MOST_LIVE_KEYS - 1:
        return deny("too_many_keys", "There are two live keys. Revoke the one you need less first.")
    return allow()


def can_make_test_credential(user: User, grant: Grant) -> Verdict:
    """Whoever looks after the grant's keys, while it can still be given to its holder."""
    may = has_room_for_test_key(user, grant)
    return _can_be_handed(user, grant) if may else may


def has_room_for_test_key(
    user: User, grant: Grant, *, barred: bool | None = None, keeps: bool | None = None
) -> Verdict:
    """What the grant alone says; for a page of many as in `can_request_credential`."""
    may = _may_keep(user, grant, keeps)
    if not may:
        return may
    may = _gives_keys(grant, barred)
    if may and len(_live_keys(grant, KeyKind.TEST)) >= MOST_LIVE_KEYS:
        return deny("too_many_keys", "There are two test keys already. Revoke one first.")
    return may


def can_rename_credential(user: User, credential: Credential) -> Verdict:
    may = _may_keep(user, credential.grant, None)
    if may and credential.status not in LIVE:
        return deny("dead_already", "This key gives no access any more; its name stays.")
    return may


def can_revoke_credential(user: User, credential: Credential) -> Verdict:
    """Holder, their organisation's technical contacts and owners, incident responders."""
    staff = user.has_perm("credentials.revoke_credentials")
    if staff or manages_keys(user, credential.grant):
        return allow()
    return _NOT_YOURS


def can_revoke_in_bulk(user: User) -> Verdict:
    return allow() if user.has_perm("credentials.revoke_credentials") else _NO_PERMISSION


def can_revoke_live_credential(user: User, credential: Credential) -> Verdict:
    """What the button asks: the service takes a second revocation for one."""
    may = can_revoke_credential(user, credential)
    if may and credential.status not in LIVE:
        return deny("dead_already", "This key gives no access any more.")
    return may


def can_view_revocations(user: User) -> Verdict:
    """Whoever may revoke, and auditors."""
    may = user.has_perm("credentials.view_revocation") or can_revoke_in_bulk(user)
    return allow() if may else _NO_PERMISSION


def can_decide_revocation(user: User, revocation: Revocation) -> Verdict:
    """Confirm a preview; the clock and the digest are the service's to look at."""
    may = can_revoke_in_bulk(user)
    if may and revocation.status != RevocationStatus.PREVIEWED:
        return deny("decided", f"{revocation.ref} has been decided already.")
    return may


def can_approve_revocation(user: User, revocation: Revocation) -> Verdict:
    """Be the second of two who confirm."""
    may = can_revoke_in_bulk(user)
    if may and revocation.status != RevocationStatus.AWAITING_SECOND:
        return deny("not_asked", f"Nobody has asked for a second person for {revocation.ref}.")
    if may and revocation.asked_by_id == user.pk:
        return deny("same_person", "You have confirmed it already. It takes somebody else now.")
    return may


def can_contain_revocation(user: User, revocation: Revocation) -> Verdict:
    """Refuse the keys of a preview for now."""
    may = can_revoke_in_bulk(user)
    if may and revocation.status not in _UNDECIDED:
        return deny("decided", f"{revocation.ref} has been decided already.")
    if may and revocation.is_contained:
        return deny("contained", f"The keys of {revocation.ref} are refused already.")
    return may


def can_cancel_revocation(user: User, revocation: Revocation) -> Verdict:
    """Put a case away; what it contains is let go by another than who contained it."""
    may = can_revoke_in_bulk(user)
    if may and revocation.status not in _UNDECIDED:
        return deny("decided", f"{revocation.ref} has been decided already.")
    if may and revocation.is_contained and revocation.contained_by_id == user.pk:
        return deny(
            "same_person", "You have contained these keys. Letting them go takes somebody else."
        )
    return may


def can_prove_revocation(user: User, revocation: Revocation) -> Verdict:
    may = can_revoke_in_bulk(user)
    if may and not (revocation.confirmed_at or revocation.is_contained):
        return deny(
            "nothing_to_prove",
            f"The keys of {revocation.ref} are neither revoked nor contained: they work. Do either"
            " first.",
        )
    return may


def can_pause_revocation(user: User, revocation: Revocation) -> Verdict:
    """Until the last mail has left and the last webhook has arrived, queued long before."""
    may = can_revoke_in_bulk(user)
    if may and revocation.paused_at:
        return deny("paused", "It is paused already.")
    under_way = revocation.status in _UNDER_WAY
    if may and not (
        under_way or have_to_leave(revocation.ref, TO_PARTNERS) or have_to_arrive(revocation.ref)
    ):
        return deny("not_running", "There is nothing under way to pause.")
    return may


def can_resume_revocation(user: User, revocation: Revocation) -> Verdict:
    may = can_revoke_in_bulk(user)
    if may and not revocation.paused_at:
        return deny("not_paused", "It is not paused.")
    return may


def can_break_glass(user: User) -> Verdict:
    """Kill more keys in one case than the cap."""
    if user.has_perm("credentials.break_glass"):
        return allow()
    return deny(
        "beyond_cap",
        "These are more keys than one case may revoke. Contain them, and ask an incident lead to"
        " confirm.",
    )


def can_manage_grant(user: User, grant: Grant) -> Verdict:
    """Suspend, resume, revoke, retry; each asks for its own state on top."""
    return allow() if user.has_perm("credentials.revoke_credentials") else _NO_PERMISSION


def can_suspend_grant(user: User, grant: Grant) -> Verdict:
    may = can_manage_grant(user, grant)
    if may and grant.status != GrantStatus.ACTIVE:
        return deny("not_active", "Only a grant in force can be suspended.")
    return may


def can_revoke_grant(user: User, grant: Grant) -> Verdict:
    may = can_manage_grant(user, grant)
    if may and GrantStatus.REVOKED not in GRANT_TRANSITIONS[grant.status]:
        return deny("grant_over", "The grant is over already.")
    return may


def can_resume_grant(user: User, grant: Grant) -> Verdict:
    may = can_manage_grant(user, grant)
    if may and grant.status != GrantStatus.SUSPENDED:
        return deny("not_suspended", "The grant is not suspended.")
    return may


def can_retry_activation(user: User, grant: Grant) -> Verdict:
    may = can_manage_grant(user, grant)
    if may and grant.status != GrantStatus.ACTIVATION_FAILED:
        return deny("not_failed", "Preparing the key has not failed.")
    return may


def can_allow_new_keys(user: User, grant: Grant) -> Verdict:
    may = can_manage_grant(user, grant)
    if may and grant.status not in OCCUPYING:
        return deny("grant_over", "The grant is over; it gets no more keys.")
    if may and not barred_grants([grant]):
        return deny("not_barred", "Its holder can ask for another key already.")
    return may


def can_withdraw_grant(user: User, grant: Grant) -> Verdict:
    if grant.holder_id != user.pk:
        return _NOT_YOURS
    if grant.status == GrantStatus.SUSPENDED:
        return deny("grant_suspended", "The grant is suspended; write to us.")
    return allow()


def manages_keys(user: User, grant: Grant) -> bool:
    """Whether the grant's keys are this person's, or their organisation's, to look after."""
    if grant.holder_id == user.pk:
        return True
    return (
        grant.organization_id is not None
        and user.memberships.filter(
            organization_id=grant.organization_id, role__in=KEEPERS
        ).exists()
    )


def _gives_keys(grant: Grant, barred: bool | None) -> Verdict:
    """In force, and staff have not revoked its keys."""
    if grant.status != GrantStatus.ACTIVE:
        return deny("grant_not_active", "The grant is not in force.")
    if grant.ends_at <= timezone.now():
        return deny("grant_over", "The grant is over. Apply again to go on.")
    if barred_grants([grant]) if barred is None else barred:
        return deny(
            "revoked_by_staff",
            "The programme has revoked or paused keys of this grant. Write to us about another.",
        )
    return allow()


def _live_keys(grant: Grant, kind: str) -> list[Credential]:
    """Not a query of its own: a page of grants has fetched their keys already."""
    return [key for key in grant.credentials.all() if key.status in LIVE and key.kind == kind]


def _may_keep(user: User, grant: Grant, keeps: bool | None) -> Verdict:
    """The holder, and who looks after their organisation's keys, unless suspended."""
    if not (manages_keys(user, grant) if keeps is None else keeps):
        return _NOT_KEPT
    return allow() if user.is_active and not user.suspended_at else _SUSPENDED


def _can_be_handed(user: User, grant: Grant) -> Verdict:
    """Whether a secret may be shown to this person now: looked up again, because what the caller
    holds of them may be from before it waited for a lock.
    """
    if not User.objects.filter(pk=user.pk, is_active=True, suspended_at=None).exists():
        return _SUSPENDED
    return can_be_given(
        person_id=grant.holder_id,
        organization_id=grant.organization_id,
        phase_id=grant.phase_id,
    )
