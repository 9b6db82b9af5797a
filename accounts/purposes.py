"""For what one is asked to prove who one is: a sentence about the page that comes next.

The address of that page comes with the request, so nothing of it is shown: it is looked up among
our own addresses, and the sentence is ours.
"""

from urllib.parse import urlsplit

from django.urls import Resolver404, resolve

_THEM = "only to the person who has just proved who they are"
_ONLY = "Only somebody who has just proved who they are"
_CASE = f"Next: a case of revocation. {_ONLY} can confirm one."
_REISSUE = f"Next: a re-issue of keys. {_ONLY} can confirm one."
_SIGNING_IN = f"Next: how you sign in here. {_ONLY} can change that."
_STAFF = "Next: the pages of staff."

PURPOSES = {
    "admin:credentials_revocation_change": _CASE,
    "admin:credentials_revocation_confirm": _CASE,
    "admin:credentials_revocation_approve": _CASE,
    "admin:credentials_reissue_change": _REISSUE,
    "admin:credentials_reissue_confirm": _REISSUE,
    "admin:credentials_reissue_approve": _REISSUE,
    "admin:credentials_freeze_change": f"Next: a freeze. {_ONLY} can lift one.",
    "admin:credentials_freeze_lift": f"Next: lifting a freeze. {_ONLY} can do that.",
    "credentials:claim": f"Next: claiming a key. It is shown once, and {_THEM}.",
    "credentials:rotate": f"Next: rotating a key. The new one is shown once, and {_THEM}.",
    "credentials:make_test_key": f"Next: a key to test. It is shown once, and {_THEM}.",
    **dict.fromkeys(
        (
            "account_email",
            "account_change_password",
            "account_set_password",
            "mfa_index",
            "mfa_activate_totp",
            "mfa_deactivate_totp",
            "mfa_view_recovery_codes",
            "mfa_download_recovery_codes",
            "mfa_generate_recovery_codes",
            "mfa_list_webauthn",
            "mfa_add_webauthn",
            "mfa_edit_webauthn",
            "mfa_remove_webauthn",
            "socialaccount_connections",
        ),
        _SIGNING_IN,
    ),
}


def purpose_of(following: str | None) -> str:
    """The sentence about an address on this host, which whoever asks has seen to; empty where it
    is none of those, or nobody has said which it is.
    """
    try:
        name = resolve(urlsplit(following or "").path).view_name
    except Resolver404:
        return ""
    return PURPOSES.get(name, _STAFF if name.startswith("admin:") else "")
