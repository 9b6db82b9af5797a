"""The demo's staff, applicants and organisations."""

from accounts import services
from accounts.enums import MemberRole, VerificationKind
from accounts.models import Organization, User
from portal.audit.services import System
from portal.demo import texts
from portal.demo.clock import Calendar
from portal.webhooks import services as webhooks

SHELL = System("shell")
# How many of the forty belong to each organisation; the others apply for themselves.
MEMBERS = (9, 6)


def make_staff(*, hashed: str, calendar: Calendar) -> dict[str, User]:
    """Seven people with one role each, by what they are called in `texts.STAFF`."""
    with calendar.on_day(-110):
        return {
            called: services.make_staff(
                email=f"{mailbox}@{texts.DOMAIN}",
                name=name,
                roles=[texts.ROLES.get(called, called)],
                hashed=hashed,
                by=SHELL,
            )
            for called, (mailbox, name) in texts.STAFF.items()
        }


def make_applicants(*, hashed: str, calendar: Calendar) -> list[User]:
    """Forty people, in the order of `texts.PEOPLE`.

    Those nobody signs in as have no password.
    """
    with calendar.on_day(-95):
        return [
            services.register_user(
                email=address_of(name),
                name=name,
                hashed=hashed if name in texts.SIGN_INS else None,
                by=SHELL,
            )
            for name in texts.PEOPLE
        ]


def make_organizations(people: list[User], *, calendar: Calendar) -> list[Organization]:
    """Two partners. The first person of each registers it and invites the others."""
    made, at = [], 0
    with calendar.on_day(-94):
        for (name, country, website), size in zip(texts.ORGANIZATIONS, MEMBERS, strict=True):
            owner, *colleagues = people[at : at + size]
            organization = services.create_organization(
                name=name, country=country, website=website, by=owner
            )
            for colleague in colleagues:
                _join(organization, colleague, owner)
            made.append(organization)
            at += size
    return made


def verify_organizations(
    organizations: list[Organization], *, calendar: Calendar, by: User
) -> None:
    """A reviewer looked both partners up."""
    with calendar.on_day(-93):
        for organization in organizations:
            services.record_verification(
                subject=organization,
                kind=VerificationKind.ORGANISATION,
                source="National register of companies",
                evidence="Registered office and web address agree with the register's entry.",
                valid_until=calendar.moment(270).date(),
                by=by,
            )


def address_of(name: str) -> str:
    """The demo address of a person, for instance ada.lindqvist@demo.example."""
    return f"{name.lower().replace(' ', '.')}@{texts.DOMAIN}"


def show_webhooks(organization: Organization, *, calendar: Calendar) -> None:
    """An address of the first partner, tried once and switched off: nobody in a demo answers."""
    owner = organization.people.get(memberships__role=MemberRole.OWNER)
    with calendar.on_day(-20):
        endpoint = webhooks.add_endpoint(
            organization_id=organization.pk,
            url=f"https://hooks.{texts.DOMAIN}/trusted-access",
            by=owner,
        )
        webhooks.send_ping(endpoint_id=endpoint.pk, by=owner)
        webhooks.switch_off_endpoint(endpoint_id=endpoint.pk, by=owner)


def _join(organization: Organization, colleague: User, owner: User) -> None:
    role = MemberRole.TECHNICAL_CONTACT if colleague.pk % 3 == 0 else MemberRole.MEMBER
    invitation = services.invite_member(
        organization_id=organization.pk, email=colleague.email, role=role, by=owner
    )
    services.accept_invitation(invitation_id=invitation.pk, by=colleague)
