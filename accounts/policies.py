"""Who may do what with people and organisations, now. Order: role, relation, state."""

from django.utils import timezone

from accounts.enums import MemberRole
from accounts.models import Invitation, Membership, Organization, User
from accounts.selectors import has_verified_address, open_invitations
from portal.verdict import Verdict, allow, deny

MOST_OPEN_INVITATIONS = 50

_NO_PERMISSION = deny("no_permission", "Your staff role does not include this.")
_NOT_OWNER = deny("not_owner", "Only an owner of the organisation can do this.")
_INVITER_MAY_NOT = deny(
    "inviter_may_not",
    "Whoever invited you can no longer invite. Ask an owner of the organisation to send it again.",
)
_LAST_OWNER = deny(
    "last_owner", "An organisation needs an owner. Make somebody else an owner first."
)


def is_staff_with(user: User, permission: str) -> bool:
    """Whether this is a staff member, not suspended, with the permission."""
    return user.is_active and user.is_staff and user.has_perm(permission)


def account_in_good_standing(user: User) -> Verdict:
    if not user.is_active or user.suspended_at:
        return deny("account_suspended", "Your account is suspended; write to us to have it back.")
    return allow()


def can_edit_profile(user: User, person: User) -> Verdict:
    if user.pk != person.pk:
        return deny("not_yours", "Only the person can change this.")
    return allow()


# --- Organisations ----------------------------------------------------------------------------


def can_create_organization(user: User) -> Verdict:
    return account_in_good_standing(user)


def can_view_organization(user: User, organization: Organization) -> Verdict:
    """Its people alone. Staff look in the admin, which asks for their second factor."""
    if _role(user, organization):
        return allow()
    return deny("not_member", "There is no organisation of yours at this address.")


def is_owner(user: User, organization: Organization) -> bool:
    return _role(user, organization) == MemberRole.OWNER


def runs_integrations(user: User, organization: Organization) -> bool:
    """Who looks after the organisation's machines: its owners and technical contacts."""
    return _role(user, organization) in {MemberRole.OWNER, MemberRole.TECHNICAL_CONTACT}


def can_invite_member(user: User, organization: Organization) -> Verdict:
    standing = _owner_in_good_standing(user, organization)
    if not standing:
        return standing
    if open_invitations(organization).count() >= MOST_OPEN_INVITATIONS:
        return deny("too_many_invitations", "Withdraw invitations nobody took up, then try again.")
    return allow()


def can_withdraw_invitation(user: User, invitation: Invitation) -> Verdict:
    if _role(user, invitation.organization) != MemberRole.OWNER:
        return _NOT_OWNER
    standing = account_in_good_standing(user)
    return _still_open(invitation) if standing else standing


def can_resend_invitation(user: User, invitation: Invitation) -> Verdict:
    standing = _owner_in_good_standing(user, invitation.organization)
    return _still_open(invitation) if standing else standing


def can_accept_invitation(user: User, invitation: Invitation) -> Verdict:
    """Signed in with the very address that was invited, and that address verified, while whoever
    invited still may.
    """
    if not has_verified_address(user, invitation.email):
        return no_invitation_for(user)
    standing = account_in_good_standing(user)
    if not standing:
        return standing
    if invitation.expires_at <= timezone.now():
        return deny("invitation_expired", "The invitation has run out. Ask for it to be re-sent.")
    if invitation.organization.suspended_at:
        return deny("organization_suspended", "This organisation is suspended at present.")
    open_still = _still_open(invitation)
    if open_still and not _owner_in_good_standing(invitation.invited_by, invitation.organization):
        return _INVITER_MAY_NOT
    return open_still


def no_invitation_for(user: User) -> Verdict:
    """The same for another's invitation and for none, so that the answer tells nothing."""
    return deny(
        "no_invitation",
        f"There is no invitation here for {user.email}. If you were invited under another "
        "address, sign in with that one, or add and verify it in your account.",
    )


def can_change_role(user: User, membership: Membership) -> Verdict:
    standing = _owner_in_good_standing(user, membership.organization)
    if not standing:
        return standing
    return _LAST_OWNER if _is_last_owner(membership) else allow()


def can_remove_member(user: User, membership: Membership) -> Verdict:
    """Owners remove anyone, unless their account is suspended: a stolen one must not put its
    colleagues out. Everyone may leave; an owner must remain.
    """
    if membership.user_id != user.pk:
        if _role(user, membership.organization) != MemberRole.OWNER:
            return _NOT_OWNER
        standing = account_in_good_standing(user)
        if not standing:
            return standing
    return _LAST_OWNER if _is_last_owner(membership) else allow()


# --- Staff ------------------------------------------------------------------------------------


def can_suspend_user(user: User, person: User) -> Verdict:
    if not is_staff_with(user, "accounts.suspend_user"):
        return _NO_PERMISSION
    if person.pk == user.pk:
        return deny("oneself", "You cannot suspend yourself.")
    if person.is_superuser and not user.is_superuser:
        return deny("superuser", "Only a superuser can suspend a superuser.")
    if person.suspended_at:
        return deny("already_suspended", "This account is suspended already.")
    return allow()


def can_reinstate_user(user: User, person: User) -> Verdict:
    if not is_staff_with(user, "accounts.suspend_user"):
        return _NO_PERMISSION
    if person.is_superuser and not user.is_superuser:
        return deny("superuser", "Only a superuser can reinstate a superuser.")
    if not person.suspended_at:
        return deny("not_suspended", "This account is not suspended.")
    return allow()


def can_suspend_organization(user: User, organization: Organization) -> Verdict:
    if not is_staff_with(user, "accounts.suspend_organization"):
        return _NO_PERMISSION
    if organization.suspended_at:
        return deny("already_suspended", "This organisation is suspended already.")
    return allow()


def can_reinstate_organization(user: User, organization: Organization) -> Verdict:
    if not is_staff_with(user, "accounts.suspend_organization"):
        return _NO_PERMISSION
    if not organization.suspended_at:
        return deny("not_suspended", "This organisation is not suspended.")
    return allow()


def can_assign_staff_roles(user: User, person: User) -> Verdict:
    """No staff role includes this, and nobody gives roles to themselves."""
    if not is_staff_with(user, "accounts.assign_staff_roles"):
        return _NO_PERMISSION
    if person.pk == user.pk:
        return deny("oneself", "You cannot change your own roles; ask another administrator.")
    if person.suspended_at:
        return deny("suspended", "Reinstate the account first.")
    return allow()


def can_record_verification(user: User, subject: User | Organization) -> Verdict:
    if not is_staff_with(user, "accounts.add_verification"):
        return _NO_PERMISSION
    if isinstance(subject, User) and subject.pk == user.pk:
        return deny("oneself", "You cannot vouch for yourself.")
    if isinstance(subject, Organization) and _role(user, subject):
        return deny("own_organization", "You cannot vouch for an organisation you belong to.")
    return allow()


def _owner_in_good_standing(user: User, organization: Organization) -> Verdict:
    if _role(user, organization) != MemberRole.OWNER:
        return _NOT_OWNER
    if organization.suspended_at:
        return deny("organization_suspended", "The organisation is suspended; write to us.")
    return account_in_good_standing(user)


def _role(user: User, organization: Organization) -> str | None:
    return organization.memberships.filter(user=user).values_list("role", flat=True).first()


def _still_open(invitation: Invitation) -> Verdict:
    if invitation.withdrawn_at:
        return deny("invitation_withdrawn", "The invitation was withdrawn.")
    if invitation.accepted_at:
        return deny("invitation_accepted", "The invitation was accepted already.")
    return allow()


def _is_last_owner(membership: Membership) -> bool:
    if membership.role != MemberRole.OWNER:
        return False
    others = membership.organization.memberships.exclude(pk=membership.pk)
    return not others.filter(role=MemberRole.OWNER).exists()
