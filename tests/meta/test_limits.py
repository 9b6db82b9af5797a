"""Every address that takes something has a limit of how often, shown by a test; or it is said why
it needs none. The portal's own forms are counted one by one in tests/edges/test_limits_of_rate.py.
"""

import re
from importlib import import_module

import pytest
from django.urls import get_resolver

from tests.edges.test_limits_of_rate import OURS
from tests.factories.accounts import PersonFactory
from tests.meta.surface import filled, walk

SIGN_IN = "tests.edges.test_accounts_sign_in"
LIMITS = "tests.edges.test_limits_of_rate"
AGAIN = "tests.edges.test_accounts_fresh_sign_in::test_questions_have_a_limit"
ENTRANCE = f"{LIMITS}::test_an_entrance_takes_so_many_of_one_address"
GUESSES = f"{LIMITS}::test_codes_of_a_second_factor_are_guessed_five_times"
INSTITUTION = "tests.journeys.test_institution::test_the_way_to_an_institution_has_a_limit"
TOKENS = "tests.edges.test_oauth::test_who_fails_too_often_is_told_and_good_keys_pass"
GATEWAY = (
    "tests.edges.test_gateway"
    "::test_failing_too_often_is_told_from_one_address_only_and_good_gateways_pass"
)
# By the names of addresses, the test that goes beyond the limit.
SHOWN = {
    "account_login": ENTRANCE,
    "account_signup": f"{SIGN_IN}::test_the_entrance_has_a_limit_and_says_when_to_come_back",
    "account_signup_by_passkey": ENTRANCE,
    "account_email_verification_sent": (
        f"{SIGN_IN}::test_a_wrong_code_signs_nobody_in_and_three_end_it"
    ),
    "account_reset_password": (
        f"{LIMITS}::test_forgotten_passwords_are_asked_for_only_so_often_from_one_address"
    ),
    "account_reset_password_from_key": ENTRANCE,
    "account_reauthenticate": AGAIN,
    "account_change_password": (
        "tests.edges.test_accounts_security_events::test_limits_count_what_was_taken_back"
    ),
    "account_email": f"{LIMITS}::test_addresses_are_managed_only_so_often",
    "mfa_login_webauthn": ENTRANCE,
    "mfa_authenticate": GUESSES,
    # Counted together with the guesses at the door.
    "mfa_reauthenticate": GUESSES,
    "mfa_reauthenticate_webauthn": GUESSES,
    "socialaccount_signup": INSTITUTION,
    "introspect": GATEWAY,
    "authorize": GATEWAY,
    "authorize_envoy": GATEWAY,
    "oauth_token": TOKENS,
    "oauth_revoke": TOKENS,  # the same guard of machines
    "usage": "tests.edges.test_gateway_usage::test_too_many_failures_are_told_to_wait",
    "sandbox": "tests.edges.test_gateway_sandbox::test_it_holds_to_the_grant_s_limits_and_counts",
}
# Nothing is written and nothing can be guessed, however often it is sent.
READ_ONLY = {"healthz", "readyz", "metrics", "security_txt", "gallery", "mfa_index"}
READ_ONLY |= {"mfa_view_recovery_codes", "mfa_download_recovery_codes", "mfa_list_webauthn"}
EXCUSED = READ_ONLY | {
    # Signing out, and ending one's own sessions: the safe way to go.
    *("account_logout", "usersessions_list"),
    # Lead on, or are the last step of what was counted where it began.
    *("account_confirm_login_code", "mfa_signup_webauthn"),
    # Only for whoever proved anew who they are, which is counted, and only about themselves.
    *("account_set_password", "mfa_activate_totp", "mfa_deactivate_totp", "mfa_add_webauthn"),
    *("mfa_generate_recovery_codes", "mfa_remove_webauthn", "mfa_edit_webauthn"),
    "socialaccount_connections",
}


def leads_on(route):
    """Addresses of old, which send the browser to those of today."""
    return route.startswith("accounts/social/")


@pytest.mark.django_db
def test_whatever_takes_something_is_limited_or_excused(client):
    client.force_login(PersonFactory())
    client.raise_request_exception = False
    takes = {
        name
        for name, route in walk(get_resolver())
        if not name.startswith((*OURS, "admin:", "demo:")) and not leads_on(route)
        if client.post(re.sub(r"[\^$]", "", filled(name, route, {}))).status_code != 405
    }
    assert takes == {*SHOWN} | EXCUSED
    assert not {*SHOWN} & EXCUSED


@pytest.mark.parametrize("shown", sorted(set(SHOWN.values())))
def test_the_tests_named_are_there(shown):
    module, name = shown.split("::")
    assert callable(getattr(import_module(module), name))
