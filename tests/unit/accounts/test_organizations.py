import pytest

from accounts import services
from accounts.enums import MemberRole
from accounts.models import Invitation, Membership, Organization
from accounts.selectors import invitations_for, open_invitations, organizations_of
from portal.errors import Conflict, Invalid, NotAllowed
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.factories.accounts import (
    InvitationFactory,
    MembershipFactory,
    OrganizationFactory,
    PersonFactory,
    UserFactory,
)
from tests.log import written

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return MembershipFactory().user


@pytest.fixture
def organization(owner):
    return owner.organizations.get()


def invite(organization, owner, email="ada@example.org", role="technical_contact"):
    return services.invite_member(organization_id=organization.pk, email=email, role=role, by=owner)


def test_whoever_registers_an_organization_owns_it():
    person = PersonFactory()
    with written() as lines:
        made = services.create_organization(
            name="  Institute of  Things ",
            country="de",
            website="https://things.example",
            by=person,
        )
    assert (made.name, made.country) == ("Institute of Things", "DE")
    assert [(p.organization, p.role) for p in organizations_of(person)] == [(made, "owner")]
    assert lines == [("organization.created", made.ref, made.ref, person.ref)]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "See https://evil.example",
        "www.evil.example",
        "<b>Bold</b>",
        "Two\nlines",
        "x" * 201,
    ],
)
def test_a_name_is_a_name(name):
    with pytest.raises(Invalid) as refused:
        services.create_organization(name=name, by=PersonFactory())
    assert list(refused.value.fields) == ["name"]
    assert not Organization.objects.exists()


def test_a_name_is_taken_once(organization):
    with pytest.raises(Invalid) as refused:
        services.create_organization(name=organization.name.upper(), by=PersonFactory())
    assert refused.value.code == "name_taken"


def test_an_invitation_is_mailed_without_a_secret(organization, owner):
    with written() as lines:
        invitation = invite(organization, owner, email=" Ada@Example.org ")
    assert (invitation.email, invitation.role) == ("ada@example.org", "technical_contact")
    assert lines == [("membership.invited", invitation.ref, organization.ref, owner.ref)]
    mail = OutgoingMail.objects.get()
    assert (mail.to, mail.template) == ("ada@example.org", "accounts/member_invited")
    assert mail.context["url"].endswith(f"/accounts/invitations/{invitation.ref}/")


def test_the_invitation_mail_says_who_and_why(organization, owner, mailoutbox):
    invite(organization, owner)
    deliver_mail(mail_id=OutgoingMail.objects.get().pk)
    (mail,) = mailoutbox
    assert mail.subject == f"{owner.name} invites you to {organization.name}"
    assert f"because {owner.email} typed your address" in mail.body


def test_one_open_invitation_an_address(organization, owner):
    invite(organization, owner)
    with pytest.raises(Conflict) as refused:
        invite(organization, owner, email="ADA@example.org")
    assert refused.value.code == "already_invited"


def test_a_member_is_not_invited(organization, owner):
    with pytest.raises(Conflict) as refused:
        invite(organization, owner, email=owner.email)
    assert refused.value.code == "already_member"


def test_an_address_must_be_one(organization, owner):
    with pytest.raises(Invalid) as refused:
        invite(organization, owner, email="ada at example")
    assert list(refused.value.fields) == ["email"]


def test_inviting_tells_nothing_of_accounts(organization, owner):
    """The same row and the same mail, whether or not the address has an account."""
    PersonFactory(email="known@example.org")
    for email in ("known@example.org", "unknown@example.org"):
        invite(organization, owner, email=email)
    known, unknown = (
        {k: v for k, v in mail.context.items() if k not in {"email", "url"}}
        for mail in OutgoingMail.objects.order_by("pk")
    )
    assert known == unknown


def test_accepting_joins_with_the_role(organization, owner):
    invitation = invite(organization, owner)
    ada = PersonFactory(email="ada@example.org")
    assert list(invitations_for(ada)) == [invitation]
    with written() as lines:
        membership = services.accept_invitation(invitation_id=invitation.pk, by=ada)
    assert (membership.organization, membership.role) == (organization, "technical_contact")
    assert lines == [("membership.joined", invitation.ref, organization.ref, ada.ref)]
    assert list(invitations_for(ada)) == list(open_invitations(organization)) == []


def test_an_invitation_to_another_address_is_refused(organization, owner):
    invitation = invite(organization, owner)
    with pytest.raises(NotAllowed):
        services.accept_invitation(invitation_id=invitation.pk, by=PersonFactory())
    assert organization.memberships.count() == 1


def test_accepting_twice_is_refused_and_joins_once(organization, owner):
    invitation = invite(organization, owner)
    ada = PersonFactory(email="ada@example.org")
    services.accept_invitation(invitation_id=invitation.pk, by=ada)
    with pytest.raises(NotAllowed) as refused:
        services.accept_invitation(invitation_id=invitation.pk, by=ada)
    assert refused.value.code == "invitation_accepted"
    assert Membership.objects.filter(user=ada).count() == 1


def test_who_belongs_already_keeps_the_role():
    ada = MembershipFactory()
    invitation = InvitationFactory(
        organization=ada.organization, email=ada.user.email, role=MemberRole.MEMBER
    )
    kept = services.accept_invitation(invitation_id=invitation.pk, by=ada.user)
    assert kept.role == MemberRole.OWNER


def test_sending_again_starts_the_time_anew(organization, owner):
    invitation = invite(organization, owner)
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=invitation.invited_at)
    again = services.resend_invitation(invitation_id=invitation.pk, by=owner)
    assert again.expires_at > invitation.expires_at
    assert OutgoingMail.objects.count() == 2


def test_sent_again_by_a_colleague_it_is_the_colleagues(organization, owner):
    """Who invited first may be gone by then."""
    invitation = invite(organization, owner)
    colleague = MembershipFactory(organization=organization).user
    services.remove_member(membership_id=organization.memberships.get(user=owner).pk, by=colleague)
    ada = PersonFactory(email="ada@example.org")
    with pytest.raises(NotAllowed) as refused:
        services.accept_invitation(invitation_id=invitation.pk, by=ada)
    assert refused.value.code == "inviter_may_not"
    services.resend_invitation(invitation_id=invitation.pk, by=colleague)
    joined = services.accept_invitation(invitation_id=invitation.pk, by=ada)
    invitation.refresh_from_db()
    assert (joined.user, invitation.invited_by) == (ada, colleague)


def test_a_withdrawn_invitation_frees_the_address(organization, owner):
    invitation = invite(organization, owner)
    with written() as lines:
        services.withdraw_invitation(invitation_id=invitation.pk, by=owner)
    assert lines == [
        ("membership.invitation_withdrawn", invitation.ref, organization.ref, owner.ref)
    ]
    for service in (services.withdraw_invitation, services.resend_invitation):
        with pytest.raises(NotAllowed):
            service(invitation_id=invitation.pk, by=owner)
    assert invite(organization, owner).pk != invitation.pk


def test_a_role_changes_and_the_log_knows(organization, owner):
    place = MembershipFactory(organization=organization, role=MemberRole.MEMBER)
    with written() as lines:
        services.change_role(membership_id=place.pk, role="signing_official", by=owner)
        services.change_role(membership_id=place.pk, role="signing_official", by=owner)
    place.refresh_from_db()
    assert place.role == "signing_official"
    assert lines == [("membership.role_changed", place.user.ref, organization.ref, owner.ref)]


def test_a_member_is_removed(organization, owner):
    place = MembershipFactory(organization=organization, role=MemberRole.MEMBER)
    with written() as lines:
        services.remove_member(membership_id=place.pk, by=owner)
    assert list(organization.memberships.values_list("user", flat=True)) == [owner.pk]
    assert lines == [("membership.removed", place.user.ref, organization.ref, owner.ref)]


@pytest.mark.django_db(transaction=True)
def test_two_last_owners_who_leave_at_once_leave_one(concurrently):
    organization = OrganizationFactory()
    first, second = (MembershipFactory(organization=organization) for _ in range(2))
    outcomes = concurrently(
        *(
            lambda place=place: services.remove_member(membership_id=place.pk, by=place.user)
            for place in (first, second)
        )
    )
    assert sorted(str(getattr(one, "code", one)) for one in outcomes) == ["None", "last_owner"]
    assert organization.memberships.filter(role=MemberRole.OWNER).count() == 1


def test_suspending_and_reinstating_tells_the_owners(organization, owner):
    MembershipFactory(organization=organization, role=MemberRole.MEMBER)
    staff = UserFactory(is_staff=True, permissions=["accounts.suspend_organization"])
    with written() as lines:
        services.suspend_organization(organization_id=organization.pk, by=staff)
        services.reinstate_organization(organization_id=organization.pk, by=staff)
    assert [kind for kind, *_ in lines] == ["organization.suspended", "organization.reinstated"]
    assert list(OutgoingMail.objects.order_by("pk").values_list("to", "template")) == [
        (owner.email, "accounts/organization_suspended"),
        (owner.email, "accounts/organization_reinstated"),
    ]
    organization.refresh_from_db()
    assert organization.suspended_at is None
