"""Pages of allauth that it guards too little, at their own addresses and before its own."""

from allauth.socialaccount import views as social
from allauth.urls import build_provider_urlpatterns
from django.urls import URLPattern, URLResolver, path, re_path

from accounts import guarded
from accounts.reauthentication import fresh_sign_in_required
from portal.throttle import throttle


def _guarded(entry: URLPattern | URLResolver) -> URLPattern | URLResolver:
    """The same address, or the same folder of addresses, with each page guarded."""
    if isinstance(entry, URLPattern):
        page = guarded.at_an_institution(entry.callback)
        return URLPattern(entry.pattern, page, entry.default_args, entry.name)
    inside = [_guarded(each) for each in entry.url_patterns]
    return URLResolver(entry.pattern, inside, entry.default_kwargs, entry.app_name, entry.namespace)


urlpatterns = [
    path("reauthenticate/", guarded.AskPassword.as_view(), name="account_reauthenticate"),
    path("email/", guarded.Addresses.as_view(), name="account_email"),
    path("password/change/", guarded.ChangePassword.as_view(), name="account_change_password"),
    # Whoever signs in with an institution only could be given a password by somebody who finds the
    # browser open, and that password would then pass as proof.
    path(
        "password/set/",
        fresh_sign_in_required(guarded.SetPassword.as_view()),
        name="account_set_password",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        guarded.ResetPassword.as_view(),
        name="account_reset_password_from_key",
    ),
    path("2fa/reauthenticate/", guarded.AskFactor.as_view(), name="mfa_reauthenticate"),
    path("2fa/totp/activate/", guarded.ActivateTOTP.as_view(), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", guarded.DeactivateTOTP.as_view(), name="mfa_deactivate_totp"),
    path(
        "2fa/recovery-codes/generate/",
        guarded.GenerateRecoveryCodes.as_view(),
        name="mfa_generate_recovery_codes",
    ),
    path("2fa/webauthn/add/", guarded.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path("2fa/webauthn/signup/", guarded.SignUpWithPasskey.as_view(), name="mfa_signup_webauthn"),
    path(
        "2fa/webauthn/reauthenticate/",
        guarded.AskPasskey.as_view(),
        name="mfa_reauthenticate_webauthn",
    ),
    path(
        "2fa/webauthn/keys/<int:pk>/remove/",
        guarded.RemovePasskey.as_view(),
        name="mfa_remove_webauthn",
    ),
    path(
        "2fa/webauthn/keys/<int:pk>/edit/",
        guarded.RenamePasskey.as_view(),
        name="mfa_edit_webauthn",
    ),
    path("3rdparty/", guarded.Connections.as_view(), name="socialaccount_connections"),
    # Allauth limits signing up with a password, and not this.
    path(
        "3rdparty/signup/",
        throttle("signup_by_institution", "20/m")(social.signup),
        name="socialaccount_signup",
    ),
    *map(_guarded, build_provider_urlpatterns()),
]
