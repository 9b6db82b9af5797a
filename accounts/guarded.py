"""Pages of allauth that change how somebody signs in: the change and its event are one transaction.

Only `form_valid` is in it. Limits of rates are counted before, in dispatch or while the form is
cleaned, and stand whatever becomes of the change (docs/adr/0008). Notification mails leave after
commit: see AccountAdapter.send_notification_mail, which also writes the event.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import views as account
from allauth.account.utils import get_next_redirect_url
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount import views as social
from django.db import transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.views.generic.edit import FormMixin

from accounts import services
from accounts.models import User
from accounts.purposes import purpose_of
from portal.throttle import throttle

View = Callable[..., HttpResponse]


class Whole(FormMixin):
    """What the form changes, and the event, happen or do not."""

    @transaction.atomic
    def form_valid(self, form: BaseForm) -> HttpResponse:
        return super().form_valid(form)


class Recorded(FormMixin):
    """Likewise, for what allauth tells nobody, or only after commit: the event is written here."""

    what: str
    request: Any

    @transaction.atomic
    def form_valid(self, form: BaseForm) -> HttpResponse:
        user = self.whose()
        response = super().form_valid(form)
        services.record_security_change(user=user, what=self.what, by=user)
        return response

    def whose(self) -> User:
        return self.request.user


# --- Passwords and addresses ------------------------------------------------------------------


class ChangePassword(Whole, account.PasswordChangeView):
    pass


class SetPassword(Whole, account.PasswordSetView):
    pass


class ResetPassword(Whole, account.PasswordResetFromKeyView):
    pass


class Addresses(account.EmailView):
    """Three buttons of one page; the third, adding, changes nothing until the code is typed, and
    then AccountAdapter.confirm_email is asked.
    """

    @transaction.atomic
    def _action_remove(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super()._action_remove(request, *args, **kwargs)

    @transaction.atomic
    def _action_primary(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super()._action_primary(request, *args, **kwargs)


# --- Second factors and passkeys --------------------------------------------------------------


class ActivateTOTP(Recorded, totp.ActivateTOTPView):
    what = "totp_activated"


class DeactivateTOTP(Whole, totp.DeactivateTOTPView):
    pass


class GenerateRecoveryCodes(Recorded, recovery_codes.GenerateRecoveryCodesView):
    what = "recovery_codes_generated"


class AddPasskey(Whole, webauthn.AddWebAuthnView):
    pass


class RemovePasskey(Whole, webauthn.RemoveWebAuthnView):
    pass


class RenamePasskey(Recorded, webauthn.EditWebAuthnView):
    what = "webauthn_renamed"


class SignUpWithPasskey(Recorded, webauthn.SignupWebAuthnView):
    what = "webauthn_added"

    def whose(self) -> User:
        return self._login_stage.login.user


# --- Institutions -----------------------------------------------------------------------------


class Connections(Whole, social.ConnectionsView):
    pass


# An institution that was chosen before the question is connected by the answer to it.
class Asked(Whole):
    """Who somebody is, with a sentence on what comes next."""

    request: Any

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        purpose = purpose_of(get_next_redirect_url(self.request))
        return super().get_context_data(**kwargs) | {"purpose": purpose}


class AskPassword(Asked, account.ReauthenticateView):
    template_name = "accounts/ask_password.html"


class AskFactor(Asked, mfa.ReauthenticateView):
    template_name = "accounts/ask_factor.html"


class AskPasskey(Asked, webauthn.ReauthenticateWebAuthnView):
    template_name = "accounts/ask_passkey.html"


def at_an_institution(view: View) -> View:
    """A page where somebody leaves for an institution or comes back from one.

    Coming back may make an account, or connect one, in several statements. The institution is
    asked in the same transaction, which by then has written nothing and so locks nothing.
    """

    @throttle("institution", "30/m")
    @wraps(view)
    @transaction.atomic
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs)

    return guarded
