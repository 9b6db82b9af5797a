"""Truth tables: who may do what with grants, keys and cases of revocation."""

import pytest
from django.utils import timezone

from accounts.enums import MemberRole
from accounts.models import User
from portal.applications.enums import ApplicationStatus
from portal.credentials import policies
from portal.credentials.enums import GrantStatus as G
from portal.credentials.enums import RevocationStatus as R
from portal.credentials.models import Revocation
from tests.factories.accounts import MembershipFactory, OrganizationFactory, UserFactory, suspend
from tests.factories.applications import ApplicationFactory
from tests.factories.credentials import CredentialFactory, GrantFactory, make_live_key

pytestmark = pytest.mark.django_db


REVOKE = "credentials.revoke_credentials"


@pytest.fixture
def grant():
    """In force, for an organisation."""
    return GrantFactory(application__organization=OrganizationFactory())


@pytest.fixture
def people(grant):
    """One person of each kind, by what they are to the grant."""

    def colleague(role):
        return MembershipFactory(organization=grant.organization, role=role).user

    return {
        "holder": grant.holder,
        "technical contact": colleague(MemberRole.TECHNICAL_CONTACT),
        "owner": colleague(MemberRole.OWNER),
        "member": colleague(MemberRole.MEMBER),
        "signing official": colleague(MemberRole.SIGNING_OFFICIAL),
        "owner elsewhere": MembershipFactory().user,
        "stranger": UserFactory(),
        "reader of grants": UserFactory(permissions=["credentials.view_grant"]),
        "reader of cases": UserFactory(permissions=["credentials.view_revocation"]),
        "responder": UserFactory(permissions=[REVOKE]),
        "superuser": UserFactory(is_superuser=True),
    }


def table(people, ask, *, no, **yes):
    """(what each is told, what each should be): `no`, but for those named."""
    said = {who: ask(person).code for who, person in people.items()}
    named = {name.replace("_", " "): code for name, code in yes.items()}
    return said, dict.fromkeys(people, no) | named


MANAGERS = {"holder": "", "technical_contact": "", "owner": ""}
STAFF = {"responder": "", "superuser": ""}


def asked_by_all(people, grant):
    key = CredentialFactory(grant=grant)
    other = GrantFactory(application=offer_like(grant))
    claimed, _token = make_live_key(grant=other)
    case = Revocation(ref="CASE-1", status=R.PREVIEWED)
    asked = Revocation(ref="CASE-2", status=R.AWAITING_SECOND, asked_by=UserFactory())
    running = Revocation(ref="CASE-3", status=R.RUNNING)
    paused = Revocation(ref="CASE-4", status=R.RUNNING, paused_at=timezone.now())
    proved = Revocation(ref="CASE-5", status=R.RUNNING, confirmed_at=timezone.now())
    offer = grant.application
    offer.status = ApplicationStatus.APPROVED
    suspended = GrantFactory(status=G.SUSPENDED, application=offer_like(grant))
    failed = GrantFactory(status=G.ACTIVATION_FAILED, application=offer_like(grant))
    return {
        "view_grant": lambda user: policies.can_view_grant(user, grant),
        "accept_offer": lambda user: policies.can_accept_offer(user, offer),
        "claim_credential": lambda user: policies.can_claim_credential(user, key),
        "rotate_credential": lambda user: policies.can_rotate_credential(user, claimed),
        "rename_credential": lambda user: policies.can_rename_credential(user, key),
        "make_test_credential": lambda user: policies.can_make_test_credential(user, grant),
        "request_credential": lambda user: policies.can_request_credential(user, grant),
        "revoke_credential": lambda user: policies.can_revoke_credential(user, key),
        "revoke_live_credential": lambda user: policies.can_revoke_live_credential(user, key),
        "withdraw_grant": lambda user: policies.can_withdraw_grant(user, grant),
        "revoke_in_bulk": policies.can_revoke_in_bulk,
        "view_revocations": policies.can_view_revocations,
        "decide_revocation": lambda user: policies.can_decide_revocation(user, case),
        "approve_revocation": lambda user: policies.can_approve_revocation(user, asked),
        "contain_revocation": lambda user: policies.can_contain_revocation(user, case),
        "cancel_revocation": lambda user: policies.can_cancel_revocation(user, case),
        "pause_revocation": lambda user: policies.can_pause_revocation(user, running),
        "resume_revocation": lambda user: policies.can_resume_revocation(user, paused),
        "prove_revocation": lambda user: policies.can_prove_revocation(user, proved),
        "break_glass": policies.can_break_glass,
        "manage_grant": lambda user: policies.can_manage_grant(user, grant),
        "suspend_grant": lambda user: policies.can_suspend_grant(user, grant),
        "revoke_grant": lambda user: policies.can_revoke_grant(user, grant),
        "resume_grant": lambda user: policies.can_resume_grant(user, suspended),
        "retry_activation": lambda user: policies.can_retry_activation(user, failed),
        "allow_new_keys": lambda user: policies.can_allow_new_keys(user, grant),
    }


def offer_like(grant):
    return ApplicationFactory(
        applicant=grant.holder, organization=grant.organization, status=ApplicationStatus.GRANTED
    )


NOT_BARRED = {"responder": "not_barred", "superuser": "not_barred"}
RELATIONS = {
    "view_grant": ("not_yours", MANAGERS | {"reader_of_grants": "", "superuser": ""}),
    "accept_offer": ("not_yours", {"holder": ""}),
    "claim_credential": ("not_yours", MANAGERS),
    "rotate_credential": ("not_yours", MANAGERS),
    "rename_credential": ("not_yours", MANAGERS),
    "make_test_credential": ("not_yours", MANAGERS),
    "request_credential": ("not_yours", dict.fromkeys(MANAGERS, "slot_waiting")),
    "revoke_credential": ("not_yours", MANAGERS | STAFF),
    "revoke_live_credential": ("not_yours", MANAGERS | STAFF),
    "withdraw_grant": ("not_yours", {"holder": ""}),
    "revoke_in_bulk": ("no_permission", STAFF),
    "view_revocations": ("no_permission", STAFF | {"reader_of_cases": ""}),
    "decide_revocation": ("no_permission", STAFF),
    "approve_revocation": ("no_permission", STAFF),
    "contain_revocation": ("no_permission", STAFF),
    "cancel_revocation": ("no_permission", STAFF),
    "pause_revocation": ("no_permission", STAFF),
    "resume_revocation": ("no_permission", STAFF),
    "prove_revocation": ("no_permission", STAFF),
    "break_glass": ("beyond_cap", {"superuser": ""}),
    "manage_grant": ("no_permission", STAFF),
    "suspend_grant": ("no_permission", STAFF),
    "revoke_grant": ("no_permission", STAFF),
    "resume_grant": ("no_permission", STAFF),
    "retry_activation": ("no_permission", STAFF),
    "allow_new_keys": ("no_permission", NOT_BARRED),
}


def test_each_policy_stands_in_the_table():
    asked = {name.removeprefix("can_") for name in vars(policies) if name.startswith("can_")}
    # The first is the applications' own; freezes have a table of theirs in test_freezing.py.
    elsewhere = {"be_given", "freeze", "view_freezes", "ask_to_lift", "lift_freeze", "keep_freeze"}
    assert asked - elsewhere == set(RELATIONS)


@pytest.mark.parametrize("name", RELATIONS)
def test_who_may_what(grant, people, name):
    no, yes = RELATIONS[name]
    said, expected = table(people, asked_by_all(people, grant)[name], no=no, **yes)
    assert said == expected


# What those whose account is suspended may still do: see, kill and give up, but get nothing.
SUSPENDED = {
    "view_grant": "",
    "accept_offer": "account_suspended",
    "claim_credential": "account_suspended",
    "rotate_credential": "account_suspended",
    "rename_credential": "account_suspended",
    "make_test_credential": "account_suspended",
    "request_credential": "account_suspended",
    "revoke_credential": "",
    "revoke_live_credential": "",
    "withdraw_grant": "",
}


@pytest.mark.parametrize("who", ["holder", "technical contact", "owner"])
@pytest.mark.parametrize("name", SUSPENDED)
def test_what_those_who_are_suspended_may(grant, people, name, who):
    ask = asked_by_all(people, grant)[name]
    holders_own = who != "holder" and name in ("accept_offer", "withdraw_grant")
    expected = "not_yours" if holders_own else SUSPENDED[name]
    assert ask(suspend(people[who])).code == expected


# Who waited for a lock holds what was true before it.
@pytest.mark.parametrize("who", ["technical contact", "owner"])
@pytest.mark.parametrize("name", ["claim_credential", "rotate_credential", "make_test_credential"])
def test_a_suspension_meanwhile_is_seen(grant, people, name, who):
    ask, as_read = asked_by_all(people, grant)[name], people[who]
    suspend(User.objects.get(pk=as_read.pk))
    assert ask(as_read).code == "account_suspended"


@pytest.mark.parametrize("name", ["claim_credential", "rotate_credential", "make_test_credential"])
def test_who_no_longer_belongs_gets_nothing(grant, people, name):
    ask, contact = asked_by_all(people, grant)[name], people["technical contact"]
    contact.memberships.all().delete()
    assert ask(contact).code == "not_yours"


def test_an_inactive_holder_claims_nothing(grant):
    grant.holder.is_active = False
    key = CredentialFactory(grant=grant)
    assert policies.can_claim_credential(grant.holder, key).code == "account_suspended"
