"""What people are told by mail about accounts and organisations. No decisions."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.enums import MemberRole
from accounts.models import Invitation, Organization, User
from portal.mail.services import queue_mail


def member_invited(invitation: Invitation) -> None:
    path = reverse("accounts:invitation", args=[invitation.ref])
    queue_mail(
        to=invitation.email,
        template="accounts/member_invited",
        context={
            "inviter": invitation.invited_by.get_short_name(),
            "inviter_email": invitation.invited_by.email,
            "organization": invitation.organization.name,
            "role": MemberRole(invitation.role).label,
            "email": invitation.email,
            "expires_on": f"{timezone.localtime(invitation.expires_at):%-d %B %Y}",
            "url": f"{settings.BASE_URL}{path}",
        },
    )


def user_suspended(user: User) -> None:
    _tell(user, "user_suspended", ref=user.ref)


def user_reinstated(user: User) -> None:
    _tell(user, "user_reinstated", ref=user.ref)


def organization_suspended(organization: Organization) -> None:
    _tell_owners(organization, "organization_suspended")


def organization_reinstated(organization: Organization) -> None:
    _tell_owners(organization, "organization_reinstated")


def _tell_owners(organization: Organization, event: str) -> None:
    for place in organization.memberships.filter(role=MemberRole.OWNER).select_related("user"):
        _tell(place.user, event, ref=organization.ref, organization=organization.name)


def _tell(user: User, event: str, **words: Any) -> None:
    context = {"name": user.get_short_name(), "contact": settings.SECURITY_CONTACT, **words}
    queue_mail(to=user.email, template=f"accounts/{event}", context=context)
