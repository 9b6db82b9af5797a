"""Invitations by e-mail. The link holds a public reference and no secret."""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from accounts import notices, policies
from accounts.enums import MemberRole
from accounts.models import Invitation, Membership, Organization, User
from accounts.selectors import open_invitations
from portal.audit.services import record_event
from portal.errors import Conflict, Invalid

OPEN_FOR = timedelta(days=14)


@transaction.atomic
def invite_member(*, organization_id: int, email: str, role: MemberRole, by: User) -> Invitation:
    """Invite a colleague. Whether the address has an account is neither asked nor told."""
    organization = Organization.objects.select_for_update().get(pk=organization_id)
    policies.can_invite_member(by, organization).enforce()
    email = _clean_email(email)
    if organization.memberships.filter(user__email=email).exists():
        raise Conflict("already_member", f"{email} belongs to {organization} already.")
    if open_invitations(organization).filter(email__iexact=email).exists():
        raise Conflict("already_invited", f"{email} is invited already; send it again below.")
    invitation = Invitation.objects.create(
        organization=organization,
        email=email,
        role=MemberRole(role),
        invited_by=by,
        expires_at=timezone.now() + OPEN_FOR,
    )
    _record("membership.invited", invitation, by)
    notices.member_invited(invitation)
    return invitation


@transaction.atomic
def resend_invitation(*, invitation_id: int, by: User) -> Invitation:
    """Mail it once more and start its time anew; from now on it is `by` who invites."""
    invitation = _locked(invitation_id)
    policies.can_resend_invitation(by, invitation).enforce()
    invitation.expires_at, invitation.invited_by = timezone.now() + OPEN_FOR, by
    invitation.save(update_fields=["expires_at", "invited_by"])
    _record("membership.invitation_sent_again", invitation, by)
    notices.member_invited(invitation)
    return invitation


@transaction.atomic
def withdraw_invitation(*, invitation_id: int, by: User) -> Invitation:
    invitation = _locked(invitation_id)
    policies.can_withdraw_invitation(by, invitation).enforce()
    invitation.withdrawn_at, invitation.withdrawn_by = timezone.now(), by
    invitation.save(update_fields=["withdrawn_at", "withdrawn_by"])
    _record("membership.invitation_withdrawn", invitation, by)
    return invitation


@transaction.atomic
def accept_invitation(*, invitation_id: int, by: User) -> Membership:
    """Join the organisation; who belongs to it already keeps the role they have."""
    invitation = _locked(invitation_id)
    policies.can_accept_invitation(by, invitation).enforce()
    invitation.accepted_at, invitation.accepted_by = timezone.now(), by
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    membership, joined = Membership.objects.get_or_create(
        user=by, organization=invitation.organization, defaults={"role": invitation.role}
    )
    if joined:
        _record("membership.joined", invitation, by)
    return membership


def _locked(invitation_id: int) -> Invitation:
    found = Invitation.objects.get(pk=invitation_id)
    Organization.objects.select_for_update().get(pk=found.organization_id)
    return Invitation.objects.select_related("organization", "invited_by").get(pk=invitation_id)


def _record(kind: str, invitation: Invitation, by: User) -> None:
    record_event(
        kind,
        subject=invitation.ref,
        thread=invitation.organization.ref,
        by=by,
        payload={"role": invitation.role},
    )


def _clean_email(text: str) -> str:
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        reason = "Type an e-mail address, for instance ada@example.org."
        raise Invalid("email_invalid", reason, {"email": reason}) from None
    return email
