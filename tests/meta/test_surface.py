"""Every address, asked by people who have no business there, with GET and with POST."""

import pytest

from tests.meta.surface import SIGN_IN

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("world")]

# Open to everybody by purpose.
PUBLIC = {
    "healthz",
    "readyz",
    "security_txt",
    "jwks",
    "oauth_metadata",
    "gallery",
    "home",
    "release",
    "applications:apply",
    "demo:mail",
    "accounts:sign_in_again",
    "admin:logout",
}
# About whoever is signed in, or for everybody who is.
ANYBODYS = {
    "terms",
    "applications:list",
    "credentials:access",
    "credentials:check",
    "accounts:profile",
    "accounts:organizations",
    "account_set_password",
    "account_email",
    "account_change_password",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_generate_recovery_codes",
    "mfa_list_webauthn",
    "mfa_add_webauthn",
    "usersessions_list",
}
# What any staff may see: an index that lists nothing, and the way out.
ANY_STAFF = {
    "admin:index",
    "admin:login",
    "admin:password_change",
    "admin:password_change_done",
    "admin:jsi18n",
}
# What the admin would make or delete with its own hands, if it did not leave that to services.
MADE_IN_THE_ADMIN = {
    "admin:programs_modelrelease_add",
    "admin:programs_rolloutphase_add",
    "admin:programs_capability_add",
    "admin:programs_question_add",
    "admin:programs_question_delete",
    "admin:programs_agreementversion_add",
    "admin:credentials_revocation_add",
    "admin:credentials_freeze_add",
    "admin:gateway_gateway_add",
}
# Open to nobody in this world, so nothing is shown by a refusal here.
NEEDS_MORE = {
    "metrics": "a token; tests/edges has it",
    "demo:message": "a mail in the folder; tests/edges has it",
    "mfa_deactivate_totp": "an authenticator",
    "mfa_view_recovery_codes": "an authenticator",
    "mfa_download_recovery_codes": "an authenticator",
    "mfa_remove_webauthn": "a passkey",
    "mfa_edit_webauthn": "a passkey",
    "account_reauthenticate": "a password",
    "webhooks:switch_on": "an endpoint that is off; tests/edges has it",
    "mfa_reauthenticate": "an authenticator",
    "mfa_reauthenticate_webauthn": "a passkey",
    "admin:autocomplete": "a field that asks for it; it is switched off",
    "admin:view_on_site": "a model with a page of its own; we have none",
    "admin:admin/(?P<url>.*)$": "it is what is not there",
}


def let_in(answers):
    return {each.name for each in answers if not each.is_refused}


@pytest.mark.parametrize(
    ("who", "reached"),
    [
        ("nobody", PUBLIC),
        ("stranger", PUBLIC | ANYBODYS),
        ("staff", PUBLIC | ANYBODYS | ANY_STAFF),
    ],
)
def test_people_without_business_reach_only_what_is_for_them(asked, who, reached):
    assert let_in(asked(who)) == reached


def test_each_address_lets_somebody_in(asked):
    """Otherwise a refusal could be an address that leads nowhere, or a thing that is not there."""
    everybody = [one for who in ("nobody", "stranger", "superuser", "owners") for one in asked(who)]
    shut = {each.name for each in everybody} - let_in(everybody)
    own_hands = {name for name in shut if name.endswith(("_add", "_delete"))}
    assert not own_hands & MADE_IN_THE_ADMIN
    assert shut - own_hands == set(NEEDS_MORE)


def test_nothing_breaks(asked):
    everybody = [one for who in ("nobody", "stranger", "superuser", "owners") for one in asked(who)]
    broken = [(e.method, e.address) for e in everybody if e.answer.status_code >= 500]
    assert broken == []


def test_nobody_who_has_just_signed_in_is_asked_to_do_so_again(asked):
    """What a stranger is refused, they are refused for who they are."""
    sent = {
        e.name
        for e in asked("stranger")
        if e.answer.headers.get("Location", "").startswith(SIGN_IN)
    }
    assert {name for name in sent if not name.startswith("admin:")} == {"accounts:sign_in_again"}
