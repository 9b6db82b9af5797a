"""Reads that span people and organisations."""

from collections.abc import Iterable
from datetime import datetime

from allauth.account.models import EmailAddress
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import Invitation, Membership, Organization, User, Verification
from portal.audit.selectors import threads_of


def organizations_of(user: User) -> QuerySet[Membership]:
    """The person's places, with the organisations."""
    return user.memberships.select_related("organization").order_by("organization__name")


def organizations_since(people: Iterable[User], moment: datetime) -> dict[str, set[str]]:
    """References of all that each of these, by reference, has belonged to at any time since then:
    whoever left is no stranger, and may come back tomorrow.
    """
    refs = {person.ref for person in people}
    now = Membership.objects.filter(user__ref__in=refs)
    places = {
        *now.values_list("user__ref", "organization__ref"),
        *threads_of(refs, "membership.removed", moment),
    }
    return {ref: {place for person, place in places if person == ref} for ref in refs}


def members_of(organization: Organization) -> QuerySet[Membership]:
    return organization.memberships.select_related("user").order_by("joined_at", "id")


def open_invitations(organization: Organization) -> QuerySet[Invitation]:
    """Neither accepted nor withdrawn; those that ran out can be sent again."""
    return organization.invitations.filter(accepted_at=None, withdrawn_at=None).select_related(
        "invited_by"
    )


def invitations_for(user: User) -> QuerySet[Invitation]:
    """Invitations this person can accept now: to an address of theirs that is verified."""
    mine = Q(pk__in=[])
    for address in _verified(user).values_list("email", flat=True):
        mine |= Q(email__iexact=address)
    return Invitation.objects.filter(
        mine, accepted_at=None, withdrawn_at=None, expires_at__gt=timezone.now()
    ).select_related("organization", "invited_by")


def has_verified_address(user: User, email: str) -> bool:
    return _verified(user).filter(email__iexact=email).exists()


def current_verifications(subject: User | Organization) -> list[Verification]:
    """The newest proof of each kind, unless it has run out."""
    today = timezone.localdate()
    newest = subject.verifications.order_by("kind", "-verified_at", "-id").distinct("kind")
    return [proof for proof in newest if proof.valid_until is None or proof.valid_until >= today]


def _verified(user: User) -> QuerySet[EmailAddress]:
    return EmailAddress.objects.filter(user=user, verified=True)
