"""Pages about oneself and one's organisations: the happy path, and who is refused."""

import re

import pytest
from django.urls import reverse

from accounts.enums import MemberRole
from accounts.models import Invitation, Organization
from portal.mail.models import OutgoingMail
from tests.factories.accounts import (
    InvitationFactory,
    MembershipFactory,
    OrganizationFactory,
    PersonFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client):
    person = MembershipFactory().user
    client.force_login(person)
    return person


@pytest.fixture
def organization(owner):
    return owner.organizations.get()


def url(name, *args):
    return reverse(f"accounts:{name}", args=[getattr(arg, "ref", arg) for arg in args])


def texts(response):
    return [str(message) for message in response.wsgi_request._messages]


def words(response):
    """The page's words, without mark-up."""
    text = response.content.decode().replace("<wbr>", "")
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


@pytest.mark.parametrize("name", ["profile", "organizations"])
def test_own_pages_ask_to_sign_in(client, name):
    answer = client.get(url(name))
    assert (answer.status_code, answer.url) == (302, f"/accounts/login/?next={url(name)}")


def test_the_profile_is_saved(client, owner):
    answer = client.post(url("profile"), {"name": "Ada", "time_zone": "Asia/Tokyo"})
    owner.refresh_from_db()
    assert (answer.status_code, owner.name, owner.time_zone) == (302, "Ada", "Asia/Tokyo")


def test_a_wrong_profile_keeps_what_was_typed(client, owner):
    answer = client.post(url("profile"), {"name": "www.x.example", "time_zone": "Asia/Tokyo"})
    assert answer.status_code == 400
    assert "Leave out web addresses" in words(answer)
    assert 'value="www.x.example"' in answer.content.decode()


def test_an_organization_is_registered(client, owner):
    answer = client.post(url("organizations"), {"name": "New Lab", "country": "jp"})
    made = Organization.objects.get(name="New Lab")
    assert (answer.status_code, answer.url) == (302, url("organization", made))
    assert "New Lab" in words(client.get(url("organizations")))


def test_a_taken_name_is_told_beside_the_field(client, owner, organization):
    answer = client.post(url("organizations"), {"name": organization.name})
    assert answer.status_code == 400
    assert "Ask a colleague there to invite you" in words(answer)


def test_the_organization_page_shows_people_and_what_one_may_do(client, owner, organization):
    member = MembershipFactory(organization=organization, role=MemberRole.MEMBER)
    page = words(client.get(url("organization", organization)))
    assert (member.user.email in page, "Invite a colleague" in page) == (True, True)
    client.force_login(member.user)
    page = words(client.get(url("organization", organization)))
    assert (owner.email in page, "Invite a colleague" in page) == (True, False)


def test_another_organization_reads_like_none(client, owner):
    theirs = OrganizationFactory()
    answers = [client.get(url("organization", ref)) for ref in (theirs, "ORG-NONENONE")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert theirs.name not in words(answers[0])


def test_a_colleague_is_invited(client, owner, organization):
    answer = client.post(url("invite", organization), {"email": "a@example.org", "role": "member"})
    assert answer.status_code == 302
    assert OutgoingMail.objects.get().to == "a@example.org"
    assert "a@example.org" in words(client.get(url("organization", organization)))


def test_a_wrong_address_is_told_and_kept(client, owner, organization):
    answer = client.post(url("invite", organization), {"email": "nobody", "role": "member"})
    assert answer.status_code == 400
    assert 'value="nobody"' in answer.content.decode()
    answer = client.post(url("invite", organization), {"email": owner.email, "role": "member"})
    assert (answer.status_code, "belongs to" in words(answer)) == (409, True)


def test_a_member_cannot_invite(client, organization):
    client.force_login(MembershipFactory(organization=organization, role=MemberRole.MEMBER).user)
    answer = client.post(url("invite", organization), {"email": "a@example.org", "role": "owner"})
    assert (answer.status_code, Invitation.objects.count()) == (403, 0)


def test_an_invitation_is_looked_at_and_accepted(client):
    guest = PersonFactory()
    invitation = InvitationFactory(email=guest.email)
    client.force_login(guest)
    assert str(invitation.organization) in words(client.get(url("organizations")))
    assert f"Join {invitation.organization}?" in words(client.get(url("invitation", invitation)))
    answer = client.post(url("invitation", invitation))
    assert answer.url == url("organization", invitation.organization)
    assert guest.organizations.get() == invitation.organization


def test_anothers_invitation_reads_exactly_like_none(client, owner):
    theirs = InvitationFactory()
    for method in (client.get, client.post):
        pages = [method(url("invitation", ref)) for ref in (theirs, "INV-NONENONE")]
        assert [page.status_code for page in pages] == [403, 403]
        first, second = (re.sub(r"[0-9a-f-]{36}", "", words(page)) for page in pages)
        assert first == second
    assert theirs.organization.name not in first


def test_an_invitation_leads_a_stranger_to_sign_in_and_back(client):
    where = url("invitation", InvitationFactory())
    assert client.get(where).url == f"/accounts/login/?next={where}"


@pytest.mark.parametrize("verb", ["resend_invitation", "withdraw_invitation"])
def test_invitations_are_sent_again_and_withdrawn(client, owner, organization, verb):
    invitation = InvitationFactory(organization=organization, invited_by=owner)
    assert client.post(url(verb, invitation)).status_code == 302
    invitation.refresh_from_db()
    done = {"resend_invitation": OutgoingMail.objects.exists()}
    assert done.get(verb, invitation.withdrawn_at is not None)


@pytest.mark.parametrize("verb", ["resend_invitation", "withdraw_invitation"])
def test_others_invitations_cannot_be_touched(client, owner, verb):
    theirs = InvitationFactory()
    assert client.get(url(verb, theirs)).url == url("organizations")  # says nothing of theirs
    assert client.post(url(verb, theirs)).status_code == 404
    theirs.refresh_from_db()
    assert (theirs.withdrawn_at, OutgoingMail.objects.count()) == (None, 0)


def test_a_role_is_changed_by_an_owner_alone(client, owner, organization):
    member = MembershipFactory(organization=organization, role=MemberRole.MEMBER)
    where = url("change_role", organization, member.user)
    assert client.post(where, {"role": "signing_official"}).status_code == 302
    assert client.post(where, {"role": "emperor"}).status_code == 404
    client.force_login(member.user)
    assert client.post(where, {"role": "owner"}).status_code == 403
    member.refresh_from_db()
    assert member.role == "signing_official"


def test_staff_see_an_organization_in_the_admin_alone(client, organization):
    """Its page asks for no second factor, and tells more of it than any role includes."""
    client.force_login(UserFactory(is_staff=True, permissions=["accounts.view_organization"]))
    assert client.get(url("organization", organization)).status_code == 404


def test_a_colleague_is_removed_after_a_question(client, owner, organization):
    member = MembershipFactory(organization=organization, role=MemberRole.MEMBER)
    where = url("remove_member", organization, member.user)
    assert f"Remove {member.user} from {organization}?" in words(client.get(where))
    assert client.post(where).url == url("organization", organization)
    assert organization.memberships.count() == 1


def test_one_leaves_but_the_last_owner_does_not(client, owner, organization):
    where = url("remove_member", organization, owner)
    for answer in (client.get(where), client.post(where)):
        assert (answer.status_code, "Make somebody else an owner first" in words(answer)) == (
            403,
            True,
        )
    MembershipFactory(organization=organization)
    assert client.post(where).url == url("organizations")
    assert not owner.memberships.exists()


def test_a_stranger_removes_nobody(client, organization):
    victim = organization.memberships.get()
    client.force_login(UserFactory())
    assert client.post(url("remove_member", organization, victim.user)).status_code == 404
    assert organization.memberships.count() == 1


def test_too_many_invitations_are_answered_with_429(client, owner, organization):
    where = url("invite", organization)
    answers = [client.post(where, {"email": "nobody"}) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [400] * 20 + [429]
    last = answers[-1]
    assert 3500 < int(last["Retry-After"]) <= 3600
    assert "Wait 60 minutes" in words(last)
    client.force_login(UserFactory())  # another person is not held up
    assert client.post(where, {"email": "nobody"}).status_code == 404


def test_the_demo_mailbox_shows_mails_in_a_demo_only(client, settings, tmp_path):
    from django.core.mail import EmailMessage, get_connection  # noqa: PLC0415

    settings.EMAIL_FILE_PATH = tmp_path
    backend = "django.core.mail.backends.filebased.EmailBackend"
    mail = EmailMessage("Your code", "It is ABC123 ü.", to=["ada@example.org"])
    get_connection(backend, file_path=str(tmp_path)).send_messages([mail])

    listed = client.get("/demo/mail/", {"to": "ADA@"})
    (link,) = re.findall(r'href="(/demo/mail/[^"]+/)"', listed.content.decode())
    assert "It is ABC123 ü." in words(client.get(link))
    assert "No mails yet" in words(client.get("/demo/mail/", {"to": "eve@"}))
    assert client.get("/demo/mail/..%2F..%2Fmanage.py/").status_code == 404

    settings.DEMO = False
    assert [client.get(page).status_code for page in ("/demo/mail/", link)] == [404, 404]
