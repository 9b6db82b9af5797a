"""Who may do what with grants and keys, now."""

from django.utils import timezone

from accounts.enums import MemberRole
from accounts.models import User
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.applications.policies import can_be_given
from portal.credentials.enums import CredentialStatus, GrantStatus, RevocationStatus
from portal.credentials.lifecycle import GRANT_TRANSITIONS, LIVE, OCCUPYING
from portal.credentials.models import Credential, Grant, Revocation
from portal.credentials.selectors import barred_grants
from portal.verdict import Verdict, allow, deny

MOST_LIVE_KEYS = 2
_NOT_YOURS = deny("not_yours", "Only the holder of the grant can do this.")
_SUSPENDED = deny("account_suspended", "Your account is suspended; write to us.")
_NO_PERMISSION = deny("no_permission", "Only an incident responder can do this.")


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
    """The holder alone, while what was approved can still be given to them."""
    may_claim = slot_is_claimable(user, credential)
    if not may_claim:
        return may_claim
    return can_be_given(
        person_id=credential.grant.holder_id,
        organization_id=credential.grant.organization_id,
        phase_id=credential.grant.phase_id,
    )


def slot_is_claimable(user: User, credential: Credential) -> Verdict:
    """What key and grant alone say, without a query, for a page of many keys: a key is shown to
    the person it is for, and to nobody else.
    """
    if credential.grant.holder_id != user.pk:
        return _NOT_YOURS
    if not user.is_active or user.suspended_at:
        return _SUSPENDED
    if credential.grant.status != GrantStatus.ACTIVE:
        return deny("grant_not_active", "The grant is not in force, so its key cannot be claimed.")
    if credential.status == CredentialStatus.REQUESTED:
        return deny("not_ready", "The key is being prepared; this takes a few seconds.")
    if credential.status != CredentialStatus.READY:
        return deny("not_claimable", "This key can no longer be claimed. Ask for another.")
    if credential.expires_at is None or credential.expires_at <= timezone.now():
        return deny("slot_lapsed", "It was not claimed in time. Ask for another.")
    return allow()


def can_request_credential(user: User, grant: Grant, *, barred: bool | None = None) -> Verdict:
    """Not after staff revoked keys of the grant, until they allow another.

    `barred` is given where a whole page of grants was asked about at once.
    """
    if grant.holder_id != user.pk:
        return _NOT_YOURS
    if user.suspended_at:
        return _SUSPENDED
    if grant.status != GrantStatus.ACTIVE:
        return deny("grant_not_active", "The grant is not in force.")
    if barred_grants([grant]) if barred is None else barred:
        return deny(
            "revoked_by_staff",
            "The programme revoked keys of this grant. Write to us about another one.",
        )
    # Not values_list: a page of grants has fetched their keys already.
    live = [key.status for key in grant.credentials.all() if key.status in LIVE]
    if any(status != CredentialStatus.ACTIVE for status in live):
        return deny("slot_waiting", "There is a key waiting to be claimed already.")
    if len(live) >= MOST_LIVE_KEYS:
        return deny("too_many_keys", "You have two live keys. Revoke one first.")
    return allow()


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
    """Confirm a preview or put it away; the clock and the digest are the service's to look at."""
    may = can_revoke_in_bulk(user)
    if may and revocation.status != RevocationStatus.PREVIEWED:
        return deny("decided", f"{revocation.ref} has been decided already.")
    return may


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
    contact = (MemberRole.TECHNICAL_CONTACT, MemberRole.OWNER)
    return (
        grant.organization_id is not None
        and user.memberships.filter(
            organization_id=grant.organization_id, role__in=contact
        ).exists()
    )
