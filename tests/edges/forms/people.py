"""What people say about themselves and their organisations."""

from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY

from accounts.enums import MemberRole
from tests.edges.forms.trying import Form, a_form, just_signed_in
from tests.edges.test_accounts_sign_in import current_code
from tests.factories.accounts import PASSWORD, MembershipFactory, PersonFactory, UserFactory
from tests.meta.surface import signed_in


@a_form("accounts:profile")
def profile():
    fields = {"name": ["Ada"], "time_zone": ["Europe/Berlin"]}
    return Form(signed_in(PersonFactory()), "/accounts/profile/", fields)


@a_form("accounts:organizations")
def new_organization():
    fields = {"name": ["Laboratory"], "website": ["https://example.org"], "country": ["DE"]}
    return Form(signed_in(PersonFactory()), "/accounts/organizations/", fields)


@a_form("accounts:invite")
def invite_colleague():
    place = MembershipFactory()
    address = f"/accounts/organizations/{place.organization.ref}/invite/"
    fields = {"email": ["guest@example.org"], "role": ["member"]}
    return Form(signed_in(place.user), address, fields)


@a_form("accounts:change_role")
def change_role():
    place = MembershipFactory()
    member = MembershipFactory(organization=place.organization, role=MemberRole.MEMBER).user
    address = f"/accounts/organizations/{place.organization.ref}/members/{member.ref}/role/"
    return Form(signed_in(place.user), address, {"role": ["technical_contact"]})


@a_form("account_email")
def another_address():
    fields = {"email": ["other@example.org"], "action_add": [""]}
    # The address is kept in the session until its code is typed.
    return Form(signed_in(PersonFactory()), "/accounts/email/", fields, writes=False)


@a_form("account_change_password")
def new_password():
    fields = {
        "oldpassword": [PASSWORD],
        "password1": ["b" + PASSWORD],
        "password2": ["b" + PASSWORD],
    }
    return Form(signed_in(PersonFactory()), "/accounts/password/change/", fields)


@a_form("account_set_password")
def first_password():
    person = UserFactory()
    person.set_unusable_password()
    person.save()
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
    fields = {"password1": [PASSWORD], "password2": [PASSWORD]}
    return Form(signed_in(person), "/accounts/password/set/", fields)


@a_form("webhooks:endpoints")
def webhook():
    place = MembershipFactory()
    address = f"/accounts/organizations/{place.organization.ref}/webhooks/"
    return Form(signed_in(place.user), address, {"url": ["https://hooks.example.org/in"]})


@a_form("mfa_activate_totp")
def second_factor_begun():
    client = just_signed_in(PersonFactory())
    client.get("/accounts/2fa/totp/activate/")
    code = current_code(client.session[SECRET_SESSION_KEY])
    return Form(client, "/accounts/2fa/totp/activate/", {"code": [code]})
