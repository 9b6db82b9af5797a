"""What a browser sends after a device has signed it: to the portal it is typed like all else."""

from django.core import mail
from django.test import Client

from tests.edges.forms.entrances import sign_up_with_a_passkey
from tests.edges.forms.trying import Form, a_form, just_signed_in
from tests.edges.test_accounts_sign_in import mailed_code
from tests.factories.accounts import PersonFactory
from tests.factories.passkeys import Passkey, as_sent, challenge_of


@a_form("mfa_add_webauthn")
def passkey_added():
    client, address = just_signed_in(PersonFactory()), "/accounts/2fa/webauthn/add/"
    client.get(address)
    credential = Passkey().register(challenge_of(client))
    return Form(client, address, {"name": ["Laptop"], "credential": as_sent(credential)})


@a_form("mfa_login_webauthn")
def sign_in_by_passkey():
    person, client, address = PersonFactory(), Client(), "/accounts/2fa/webauthn/login/"
    key = Passkey().of(person)
    client.get(address, headers={"X-Requested-With": "XMLHttpRequest"})
    credential = key.sign_in(challenge_of(client), person)
    return Form(client, address, {"credential": as_sent(credential)})


@a_form("mfa_reauthenticate_webauthn")
def passkey_again():
    person, address = PersonFactory(), "/accounts/2fa/webauthn/reauthenticate/"
    client = just_signed_in(person)
    key = Passkey().of(person)
    client.get(address)
    credential = key.sign_in(challenge_of(client), person)
    return Form(client, address, {"credential": as_sent(credential)})


@a_form("mfa_signup_webauthn")
def passkey_of_a_sign_up():
    client, address = Client(), "/accounts/2fa/webauthn/signup/"
    sent = sign_up_with_a_passkey().fields
    client.post("/accounts/signup/passkey/", {name: value for name, [value] in sent.items()})
    client.post("/accounts/confirm-email/", {"code": mailed_code(mail.outbox[-1])})
    client.get(address)
    credential = Passkey().register(challenge_of(client))
    return Form(client, address, {"name": ["Laptop"], "credential": as_sent(credential)})
