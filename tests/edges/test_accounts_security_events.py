"""A change to how somebody signs in and its event are one transaction: no event, no change."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY
from django.db import connection

from accounts.models import User
from tests.edges.test_accounts_sign_in import current_code, mailed_code, with_totp
from tests.factories.accounts import PASSWORD, PersonFactory, sign_in
from tests.log import events_about

pytestmark = pytest.mark.django_db
ASK, EMAIL = "/accounts/reauthenticate/", "/accounts/email/"
NEW = "another long and quiet sentence"
TWICE = {"password1": NEW, "password2": NEW}
OTHER = "other@example.org"


def refuse_events():
    """The log takes no more security changes; until the end of the test's own transaction."""
    with connection.cursor() as cursor:
        cursor.execute("""
            CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'full'; END $$;
            CREATE TRIGGER full_log BEFORE INSERT ON audit_event FOR EACH ROW
                WHEN (NEW.kind = 'user.security_changed') EXECUTE FUNCTION refuse_event();
        """)


def signed_in(client, person):
    sign_in(client, person)
    client.post(ASK, {"password": PASSWORD})


def with_other_address(person):
    EmailAddress.objects.create(user=person, email=OTHER, verified=True)


def with_passkey(person):
    data = {"name": "Laptop", "credential": {}}
    return Authenticator.objects.create(user=person, type="webauthn", data=data)


# Each makes everything ready and returns the request that changes something.


def change_password(client, person, mailoutbox):
    signed_in(client, person)
    return "/accounts/password/change/", {"oldpassword": PASSWORD, **TWICE}


def set_password(client, person, mailoutbox):
    signed_in(client, person)
    records = client.session["account_authentication_methods"]
    person.set_unusable_password()
    person.save()
    client.force_login(person)  # as an institution would, a moment ago
    session = client.session
    session["account_authentication_methods"] = records
    session["account_authentication_methods_user"] = str(person.pk)
    session.save()
    return "/accounts/password/set/", TWICE


def reset_password(client, person, mailoutbox):
    client.post("/accounts/password/reset/", {"email": person.email})
    link = re.search(r"http://\S+?(/accounts/password/reset/key/\S+)", mailoutbox[-1].body)[1]
    return client.get(link).url, TWICE


def make_primary(client, person, mailoutbox):
    signed_in(client, person)
    with_other_address(person)
    return EMAIL, {"action_primary": "", "email": OTHER}


def remove_address(client, person, mailoutbox):
    signed_in(client, person)
    with_other_address(person)
    return EMAIL, {"action_remove": "", "email": OTHER}


def add_address(client, person, mailoutbox):
    signed_in(client, person)
    client.post(EMAIL, {"action_add": "", "email": OTHER})
    return "/accounts/confirm-email/", {"code": mailed_code(mailoutbox[-1])}


def activate_totp(client, person, mailoutbox):
    signed_in(client, person)
    page = "/accounts/2fa/totp/activate/"
    client.get(page)
    return page, {"code": current_code(client.session[SECRET_SESSION_KEY])}


def deactivate_totp(client, person, mailoutbox):
    signed_in(client, person)
    with_totp(person)
    return "/accounts/2fa/totp/deactivate/", {}


def generate_recovery_codes(client, person, mailoutbox):
    signed_in(client, person)
    with_totp(person)
    RecoveryCodes.activate(person)
    return "/accounts/2fa/recovery-codes/generate/", {}


def rename_passkey(client, person, mailoutbox):
    signed_in(client, person)
    return f"/accounts/2fa/webauthn/keys/{with_passkey(person).pk}/edit/", {"name": "Desk"}


def remove_passkey(client, person, mailoutbox):
    signed_in(client, person)
    return f"/accounts/2fa/webauthn/keys/{with_passkey(person).pk}/remove/", {}


CHANGES = {
    change_password: "password_changed",
    set_password: "password_set",
    reset_password: "password_reset",
    make_primary: "email_changed",
    remove_address: "email_deleted",
    add_address: "email_confirmed",
    activate_totp: "totp_activated",
    deactivate_totp: "totp_deactivated",
    generate_recovery_codes: "recovery_codes_generated",
    rename_passkey: "webauthn_renamed",
    remove_passkey: "webauthn_removed",
}


def ways_in(person):
    """Everything that decides how this person signs in, as the database has it."""
    user = User.objects.get(pk=person.pk)
    addresses = EmailAddress.objects.filter(user=user).order_by("pk")
    factors = Authenticator.objects.filter(user=user).order_by("pk")
    return (
        user.password,
        user.email,
        list(addresses.values_list("email", "primary", "verified")),
        list(factors.values_list("type", "data")),
    )


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_recorded_once_and_mailed_after_commit(
    client, mailoutbox, django_capture_on_commit_callbacks, change
):
    person = PersonFactory()
    page, given = change(client, person, mailoutbox)
    before, mails = ways_in(person), len(mailoutbox)
    with django_capture_on_commit_callbacks() as after_commit:
        assert client.post(page, given).status_code == 302
    assert ways_in(person) != before
    events = [(e.kind, e.payload, e.actor) for e in events_about(person.ref)]
    assert events == [("user.security_changed", {"what": CHANGES[change]}, person.ref)]
    assert len(mailoutbox) == mails
    assert bool(after_commit) == (change not in {add_address, rename_passkey})


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_that_cannot_be_recorded_is_not_made(client, mailoutbox, change):
    person = PersonFactory()
    page, given = change(client, person, mailoutbox)
    before = ways_in(person)
    refuse_events()
    client.raise_request_exception = False
    assert client.post(page, given).status_code == 500
    assert ways_in(person) == before


def test_limits_count_what_was_taken_back(client, mailoutbox):
    person = PersonFactory()
    page, given = change_password(client, person, mailoutbox)
    refuse_events()
    client.raise_request_exception = False
    assert [client.post(page, given).status_code for _ in range(6)] == [500] * 5 + [429]


def test_wrong_passwords_are_not_forgotten_when_a_reset_is_taken_back(client, mailoutbox):
    """Five close the account for a while; a reset opens it, and one that fails does not."""
    person = PersonFactory()
    page, given = reset_password(client, person, mailoutbox)
    for _ in range(5):
        client.post("/accounts/login/", {"login": person.email, "password": "wrong"})
    refuse_events()
    client.raise_request_exception = False
    assert client.post(page, given).status_code == 500
    answer = client.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    assert "Too many failed login attempts" in answer.content.decode()
