"""Truth tables: who may do what with people and organisations."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import policies
from accounts.enums import MemberRole
from accounts.models import Organization, User
from tests.factories.accounts import (
    InvitationFactory,
    MembershipFactory,
    OrganizationFactory,
    PersonFactory,
    UserFactory,
    suspend,
)

pytestmark = pytest.mark.django_db


def code(verdict):
    return verdict.code or "allowed"


@pytest.fixture
def organization():
    return OrganizationFactory()


@pytest.fixture
def people(organization):
    """One person of each kind; the organisation has two owners."""
    MembershipFactory(organization=organization)
    made = {role: MembershipFactory(organization=organization, role=role) for role in MemberRole}
    return {role: place.user for role, place in made.items()} | {
        "stranger": PersonFactory(),
        "owner elsewhere": MembershipFactory().user,
        "suspended owner": suspend(MembershipFactory(organization=organization).user),
    }


def test_who_invites(organization, people):
    asked = {kind: code(policies.can_invite_member(p, organization)) for kind, p in people.items()}
    assert asked == {
        "owner": "allowed",
        "member": "not_owner",
        "technical_contact": "not_owner",
        "signing_official": "not_owner",
        "stranger": "not_owner",
        "owner elsewhere": "not_owner",
        "suspended owner": "account_suspended",
    }


def test_nobody_invites_into_a_suspended_organization(organization, people):
    suspend(organization)
    assert code(policies.can_invite_member(people["owner"], organization)) == (
        "organization_suspended"
    )


def test_open_invitations_have_a_limit(organization, people, monkeypatch):
    monkeypatch.setattr(policies, "MOST_OPEN_INVITATIONS", 1)
    InvitationFactory(organization=organization, invited_by=people["owner"])
    assert code(policies.can_invite_member(people["owner"], organization)) == (
        "too_many_invitations"
    )


def test_who_sees_an_organization(organization, people):
    people["auditor"] = UserFactory(is_staff=True, permissions=["accounts.view_organization"])
    asked = {k: code(policies.can_view_organization(p, organization)) for k, p in people.items()}
    assert asked == dict.fromkeys(people, "allowed") | {
        "stranger": "not_member",
        "owner elsewhere": "not_member",
        "auditor": "not_member",  # staff look in the admin, behind their second factor
    }


def test_who_removes_whom(organization, people):
    places = {p.user_id: p for p in organization.memberships.all()}
    victim = places[people["member"].pk]
    asked = {kind: code(policies.can_remove_member(p, victim)) for kind, p in people.items()}
    assert asked == {
        "owner": "allowed",
        "member": "allowed",  # leaves
        "technical_contact": "not_owner",
        "signing_official": "not_owner",
        "stranger": "not_owner",
        "owner elsewhere": "not_owner",
        "suspended owner": "account_suspended",
    }


def test_a_suspended_owner_may_leave_and_withdraws_no_invitation(organization, people):
    suspended = people["suspended owner"]
    place = organization.memberships.get(user=suspended)
    assert code(policies.can_remove_member(suspended, place)) == "allowed"
    sent = InvitationFactory(organization=organization, invited_by=people["owner"])
    assert code(policies.can_withdraw_invitation(suspended, sent)) == "account_suspended"


def test_the_last_owner_stays_an_owner(organization):
    owner = MembershipFactory(organization=organization)
    MembershipFactory(organization=organization, role=MemberRole.MEMBER)
    assert code(policies.can_remove_member(owner.user, owner)) == "last_owner"
    assert code(policies.can_change_role(owner.user, owner)) == "last_owner"
    MembershipFactory(organization=organization)
    assert code(policies.can_remove_member(owner.user, owner)) == "allowed"
    assert code(policies.can_change_role(owner.user, owner)) == "allowed"


def test_who_accepts_an_invitation():
    invited = PersonFactory(email="ada@example.org")
    unverified = UserFactory(email="ada2@example.org")
    other = PersonFactory()
    mine = InvitationFactory(email="ADA@example.org")
    assert code(policies.can_accept_invitation(invited, mine)) == "allowed"
    assert code(policies.can_accept_invitation(other, mine)) == "no_invitation"
    theirs = InvitationFactory(email=unverified.email)
    assert code(policies.can_accept_invitation(unverified, theirs)) == "no_invitation"


def test_an_invitation_holds_while_its_author_may_invite():
    """Whoever was suspended, demoted or removed lets nobody in any more, an accomplice least."""
    person = PersonFactory()
    mine = InvitationFactory(email=person.email, role=MemberRole.OWNER)
    place = mine.organization.memberships.get(user=mine.invited_by)
    place.role = MemberRole.MEMBER
    place.save()
    assert code(policies.can_accept_invitation(person, mine)) == "inviter_may_not"
    place.delete()
    assert code(policies.can_accept_invitation(person, mine)) == "inviter_may_not"
    other = InvitationFactory(email=person.email)
    suspend(other.invited_by)
    assert code(policies.can_accept_invitation(person, other)) == "inviter_may_not"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"expires_at": timezone.now() - timedelta(minutes=1)}, "invitation_expired"),
        ({"withdrawn": True}, "invitation_withdrawn"),
        ({"accepted": True}, "invitation_accepted"),
        ({"suspended": "organization"}, "organization_suspended"),
        ({"suspended": "person"}, "account_suspended"),
    ],
)
def test_when_an_invitation_is_over(state, expected):
    person = PersonFactory()
    fields = {"expires_at": state["expires_at"]} if "expires_at" in state else {}
    for over in ("withdrawn", "accepted"):
        if over in state:
            fields |= {f"{over}_at": timezone.now(), f"{over}_by": person}
    invitation = InvitationFactory(email=person.email, **fields)
    if state.get("suspended") == "organization":
        suspend(invitation.organization)
    if state.get("suspended") == "person":
        person = suspend(person)
    assert code(policies.can_accept_invitation(person, invitation)) == expected


SUBJECTS = {User: UserFactory, Organization: OrganizationFactory}


@pytest.mark.parametrize(
    ("policy", "kind", "permission", "state", "expected"),
    [
        ("can_suspend_user", User, "accounts.suspend_user", False, "allowed"),
        ("can_suspend_user", User, "accounts.suspend_user", True, "already_suspended"),
        ("can_suspend_user", User, "accounts.view_user", False, "no_permission"),
        ("can_reinstate_user", User, "accounts.suspend_user", True, "allowed"),
        ("can_reinstate_user", User, "accounts.suspend_user", False, "not_suspended"),
        ("can_reinstate_user", User, "accounts.view_user", True, "no_permission"),
        (
            "can_suspend_organization",
            Organization,
            "accounts.suspend_organization",
            False,
            "allowed",
        ),
        (
            "can_suspend_organization",
            Organization,
            "accounts.suspend_organization",
            True,
            "already_suspended",
        ),
        (
            "can_suspend_organization",
            Organization,
            "accounts.suspend_user",
            False,
            "no_permission",
        ),
        (
            "can_reinstate_organization",
            Organization,
            "accounts.suspend_organization",
            True,
            "allowed",
        ),
        (
            "can_reinstate_organization",
            Organization,
            "accounts.suspend_organization",
            False,
            "not_suspended",
        ),
        ("can_reinstate_organization", Organization, "accounts.view_user", True, "no_permission"),
        ("can_assign_staff_roles", User, "accounts.assign_staff_roles", False, "allowed"),
        ("can_assign_staff_roles", User, "accounts.assign_staff_roles", True, "suspended"),
        ("can_assign_staff_roles", User, "accounts.suspend_user", False, "no_permission"),
        ("can_record_verification", User, "accounts.add_verification", False, "allowed"),
        ("can_record_verification", Organization, "accounts.add_verification", False, "allowed"),
        ("can_record_verification", User, "accounts.view_user", False, "no_permission"),
    ],
)
def test_what_staff_may_do(policy, kind, permission, state, expected):
    staff = UserFactory(is_staff=True, permissions=[permission])
    subject = SUBJECTS[kind]()
    if state:
        suspend(subject)
    assert code(getattr(policies, policy)(staff, subject)) == expected


@pytest.mark.parametrize(
    ("policy", "permission"),
    [
        ("can_suspend_user", "accounts.suspend_user"),
        ("can_assign_staff_roles", "accounts.assign_staff_roles"),
        ("can_record_verification", "accounts.add_verification"),
    ],
)
def test_nobody_does_it_to_oneself(policy, permission):
    staff = UserFactory(is_staff=True, permissions=[permission])
    assert code(getattr(policies, policy)(staff, staff)) == "oneself"


def test_nobody_vouches_for_an_organization_of_their_own():
    place = MembershipFactory(role=MemberRole.MEMBER)
    person = UserFactory(is_staff=True, is_superuser=True)
    place.organization.memberships.create(user=person, role=MemberRole.MEMBER)
    said = code(policies.can_record_verification(person, place.organization))
    assert said == "own_organization"
    assert code(policies.can_record_verification(person, OrganizationFactory())) == "allowed"


def test_only_a_superuser_suspends_and_reinstates_a_superuser():
    boss = UserFactory(is_staff=True, is_superuser=True)
    other = UserFactory(is_staff=True, is_superuser=True)
    responder = UserFactory(is_staff=True, permissions=["accounts.suspend_user"])
    assert code(policies.can_suspend_user(responder, boss)) == "superuser"
    assert code(policies.can_suspend_user(other, boss)) == "allowed"
    suspend(boss)
    assert code(policies.can_reinstate_user(responder, boss)) == "superuser"
    assert code(policies.can_reinstate_user(other, boss)) == "allowed"


def test_a_permission_counts_only_for_staff_who_are_not_suspended():
    permission = "accounts.suspend_user"
    people = {
        "staff": UserFactory(is_staff=True, permissions=[permission]),
        "not staff": UserFactory(permissions=[permission]),
        "suspended": suspend(UserFactory(is_staff=True, permissions=[permission])),
        "suspended superuser": suspend(UserFactory(is_staff=True, is_superuser=True)),
        "inactive": UserFactory(is_staff=True, is_active=False, permissions=[permission]),
    }
    asked = {name: policies.is_staff_with(user, permission) for name, user in people.items()}
    assert asked == dict.fromkeys(people, False) | {"staff": True}
    assert not people["suspended superuser"].has_module_perms("accounts")
