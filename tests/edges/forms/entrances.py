"""What is typed at the entrances."""

import re

from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from django.core import mail
from django.test import Client

from accounts.models import User
from tests.edges.forms.trying import Form, a_form, just_signed_in
from tests.edges.test_accounts_sign_in import current_code, mailed_code, with_totp
from tests.factories.accounts import PASSWORD, PersonFactory
from tests.factories.accounts import sign_in as sign_in_as
from tests.meta.surface import signed_in


@a_form("account_signup")
def sign_up():
    fields = {"email": ["new@example.org"], "name": ["Ada"], "password1": [PASSWORD]}
    return Form(Client(), "/accounts/signup/", fields)


@a_form("account_login")
def sign_in():
    fields = {"login": [PersonFactory().email], "password": [PASSWORD]}
    return Form(Client(), "/accounts/login/", fields)


@a_form("account_reset_password")
def forgotten_password():
    return Form(
        Client(), "/accounts/password/reset/", {"email": [PersonFactory().email]}, writes=False
    )


@a_form("account_email_verification_sent")
def code_of_a_sign_up():
    client, sent = Client(), sign_up().fields
    client.post("/accounts/signup/", {name: value for name, [value] in sent.items()})
    code = mailed_code(mail.outbox[-1])
    return Form(client, "/accounts/confirm-email/", {"code": [code]})


@a_form("account_reset_password_from_key")
def password_after_a_mail():
    client = Client()
    client.post("/accounts/password/reset/", {"email": PersonFactory().email})
    link = re.search(r"/accounts/password/reset/key/\S+", mail.outbox[-1].body)[0]
    fields = {"password1": ["b" + PASSWORD], "password2": ["b" + PASSWORD]}
    return Form(client, client.get(link).url, fields)


@a_form("mfa_authenticate")
def second_factor():
    person = PersonFactory()
    code, client = current_code(with_totp(person)), Client()
    client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    return Form(client, "/accounts/2fa/authenticate/", {"code": [code]})


@a_form("account_reauthenticate")
def password_again():
    client = sign_in_as(Client(), PersonFactory())
    return Form(client, "/accounts/reauthenticate/", {"password": [PASSWORD]}, writes=False)


@a_form("mfa_reauthenticate")
def second_factor_again():
    person = PersonFactory()
    client = sign_in_as(Client(), person)
    code = current_code(with_totp(person))
    return Form(client, "/accounts/2fa/reauthenticate/", {"code": [code]})


@a_form("accounts:sign_in_again")
def sign_in_again():
    fields = {"next": ["/access/"]}
    return Form(signed_in(PersonFactory()), "/accounts/sign-in-again/", fields, writes=False)


@a_form("socialaccount_signup")
def first_visit_from_an_institution():
    """Needs the fixture `institution`."""
    client = Client()
    SocialApp.objects.create(provider="openid_connect", provider_id="uni", name="University")
    account = SocialAccount(provider="uni", uid="ada-1", extra_data={"sub": "ada-1"})
    provider = get_adapter().get_provider(None, "uni")
    session = client.session
    seen = SocialLogin(user=User(), account=account, provider=provider)
    session["socialaccount_sociallogin"] = seen.serialize()
    session.save()
    client.cookies["sessionid"] = session.session_key
    fields = {"email": ["ada@uni.example"], "name": ["Ada"]}
    return Form(client, "/accounts/3rdparty/signup/", fields)


@a_form("account_signup_by_passkey")
def sign_up_with_a_passkey():
    fields = {"email": ["new@example.org"], "name": ["Ada"]}
    return Form(Client(), "/accounts/signup/passkey/", fields)


@a_form("mfa_edit_webauthn")
def passkey_renamed():
    person = PersonFactory()
    client = just_signed_in(person)
    data = {"name": "Laptop", "credential": {}}
    made = Authenticator.objects.create(user=person, type="webauthn", data=data)
    address = f"/accounts/2fa/webauthn/keys/{made.pk}/edit/"
    return Form(client, address, {"name": ["Desk"]})
