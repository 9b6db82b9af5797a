"""Organisations and who belongs to them. Every change to memberships locks the organisation."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import notices, policies
from accounts.enums import MemberRole
from accounts.models import Membership, Organization, User
from accounts.names import clean_name
from portal.audit.services import record_event
from portal.constraints import refused_by
from portal.errors import Invalid


@transaction.atomic
def create_organization(
    *, name: str, by: User, website: str = "", country: str = ""
) -> Organization:
    """Register an organisation; whoever does so is its first owner."""
    policies.can_create_organization(by).enforce()
    organization = _registered(clean_name(name), website, country.upper())
    Membership.objects.create(user=by, organization=organization, role=MemberRole.OWNER)
    record_event("organization.created", subject=organization.ref, thread=organization.ref, by=by)
    return organization


@transaction.atomic
def change_role(*, membership_id: int, role: MemberRole, by: User) -> Membership:
    membership = _locked(membership_id)
    if membership.role == role:
        return membership
    policies.can_change_role(by, membership).enforce()
    before, membership.role = membership.role, MemberRole(role)
    membership.save(update_fields=["role"])
    record_event(
        "membership.role_changed",
        subject=membership.user.ref,
        thread=membership.organization.ref,
        by=by,
        payload={"from": before, "to": membership.role},
    )
    return membership


@transaction.atomic
def remove_member(*, membership_id: int, by: User) -> None:
    """Remove a colleague, or leave. The last owner stays."""
    membership = _locked(membership_id)
    policies.can_remove_member(by, membership).enforce()
    membership.delete()
    record_event(
        "membership.removed",
        subject=membership.user.ref,
        thread=membership.organization.ref,
        by=by,
        payload={"role": membership.role},
    )


@transaction.atomic
def suspend_organization(*, organization_id: int, by: User) -> Organization:
    """Refuse every key of the organisation from commit on, whoever holds it; reversible."""
    organization = Organization.objects.select_for_update().get(pk=organization_id)
    policies.can_suspend_organization(by, organization).enforce()
    organization.suspended_at, organization.suspended_by = timezone.now(), by
    organization.save(update_fields=["suspended_at", "suspended_by"])
    record_event("organization.suspended", subject=organization.ref, thread=organization.ref, by=by)
    notices.organization_suspended(organization)
    return organization


@transaction.atomic
def reinstate_organization(*, organization_id: int, by: User) -> Organization:
    organization = Organization.objects.select_for_update().get(pk=organization_id)
    policies.can_reinstate_organization(by, organization).enforce()
    organization.suspended_at = organization.suspended_by = None
    organization.save(update_fields=["suspended_at", "suspended_by"])
    record_event(
        "organization.reinstated", subject=organization.ref, thread=organization.ref, by=by
    )
    notices.organization_reinstated(organization)
    return organization


def _registered(name: str, website: str, country: str) -> Organization:
    """Of two at once the database lets one pass, however its name is spelt."""
    try:
        with transaction.atomic():
            return Organization.objects.create(name=name, website=website, country=country)
    except IntegrityError as error:
        if refused_by(error) != "organization_name_once":
            raise
        reason = "An organisation of this name is registered. Ask a colleague there to invite you."
        raise Invalid("name_taken", reason, {"name": reason}) from error


def _locked(membership_id: int) -> Membership:
    """The membership as it is once its organisation is ours: two owners who leave at once queue
    here, and the second one is the last.
    """
    found = Membership.objects.get(pk=membership_id)
    Organization.objects.select_for_update().get(pk=found.organization_id)
    return Membership.objects.select_related("user", "organization").get(pk=membership_id)
