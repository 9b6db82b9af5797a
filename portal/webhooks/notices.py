"""What people are told by mail about webhooks. No decisions."""

from django.conf import settings
from django.urls import reverse

from accounts.enums import MemberRole
from portal.mail.services import queue_mail
from portal.webhooks.models import Endpoint


def endpoint_switched_off(endpoint: Endpoint) -> None:
    """Told to owners and technical contacts, who can do something about it."""
    organization = endpoint.organization
    path = reverse("webhooks:endpoint", args=[organization.ref, endpoint.ref])
    told = organization.memberships.filter(
        role__in=[MemberRole.OWNER, MemberRole.TECHNICAL_CONTACT]
    ).select_related("user")
    for place in told:
        queue_mail(
            to=place.user.email,
            template="webhooks/endpoint_switched_off",
            context={
                "name": place.user.get_short_name(),
                "ref": endpoint.ref,
                "organization": organization.name,
                "reason": endpoint.disabled_reason,
                "contact": settings.SECURITY_CONTACT,
                "url": f"{settings.BASE_URL}{path}",
            },
        )
