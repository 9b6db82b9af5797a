"""Where allauth asks us."""

import base64
import logging
import smtplib
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context as allauth_context
from allauth.core.exceptions import ReauthenticationRequired
from allauth.core.internal.httpkit import clean_client_ip
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from cryptography.fernet import Fernet, MultiFernet
from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from accounts import services
from accounts.models import User
from accounts.names import clean_name
from accounts.reauthentication import (
    can_reauthenticate,
    institutions_proved,
    signed_in_recently,
)
from portal.errors import Invalid

log = logging.getLogger(__name__)

# Allauth tells us of these after commit, when it is too late: accounts.guarded has recorded them.
_RECORDED_BEFORE = {"totp_activated", "recovery_codes_generated"}

_SENT = "account/messages/email_confirmation_sent.txt"
_MAIL_FAILED = (
    "The mail could not be sent just now. Nothing you entered is lost: wait a minute, then ask "
    "for it once more."
)


class AccountAdapter(DefaultAccountAdapter):
    def save_user(
        self, request: HttpRequest, user: User, form: forms.Form, commit: bool = True
    ) -> User:
        user.name = form.cleaned_data.get("name", "")
        super().save_user(request, user, form, commit=False)
        return services.record_sign_up(user=user, by=user) if commit else user

    @transaction.atomic
    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """An address that is confirmed signs in, and can reset the password, from now on.

        Until the first one is, nobody knows whose the account is: somebody may have begun it with
        an institution of theirs and another's address. Whoever proves the address has it alone.
        """
        user = email_address.user
        is_first = not EmailAddress.objects.filter(user=user, verified=True).exists()
        confirmed = bool(super().confirm_email(request, email_address))
        if confirmed:
            services.record_security_change(user=user, what="email_confirmed", by=user)
        if confirmed and is_first:
            proved = institutions_proved(request, user)
            services.disconnect_strangers(user=user, proved=proved, by=user)
        return confirmed

    def is_safe_url(self, url: str | None) -> bool:
        """Whether to go on to it after signing in; never to what is no address at all."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address the outermost of our own proxies saw, as limits of rates count it.

        A request that came past the proxies counts as the address it came from. Without any
        (a Unix socket) all share one: limits then bite early rather than never.
        """
        direct = clean_client_ip(request.META.get("REMOTE_ADDR", "")) or "0.0.0.0"  # noqa: S104 - nobody listens there
        hops = request.headers.get("X-Forwarded-For", "").split(",")
        count = settings.TRUSTED_PROXY_COUNT
        if not count or len(hops) < count:
            return direct
        return clean_client_ip(hops[-count]) or direct

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Allauth lets whoever has neither password nor second factor pass; we do not: their
        sign-in must be fresh instead. Of the portal's own acts nobody asks here.
        """
        request = allauth_context.request
        if can_reauthenticate(request):
            return super().is_reauthentication_required(app=app, **kwargs)
        if not signed_in_recently(request):
            raise ReauthenticationRequired
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Codes are mailed at once and never stored. A mail server that fails is told, alike for
        known and unknown addresses, and costs nothing but another click.

        They name the portal as its other mails do, not by the host that was asked.
        """
        site = SimpleNamespace(name=settings.PORTAL_NAME, domain=urlsplit(settings.BASE_URL).netloc)
        try:
            super().send_mail(template_prefix, email, {"current_site": site} | context)
        except (smtplib.SMTPException, OSError) as error:
            log.warning("mail: %s not sent: %s", template_prefix, type(error).__name__)
            self.request.portal_mail_failed = True
            self.add_message(self.request, messages.ERROR, message=_MAIL_FAILED)

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if message_template == _SENT and getattr(request, "portal_mail_failed", False):
            return
        super().add_message(request, level, message_template, *args, **kwargs)

    def send_notification_mail(
        self, template_prefix: str, user: User, *args: Any, **kwargs: Any
    ) -> None:
        """Allauth tells people of every change to how they sign in; so it tells the log, in the
        change's own transaction. The mail leaves after it: no row stays locked while a mail
        server thinks, and nobody reads of a change that was taken back.
        """
        what = template_prefix.rpartition("/")[2]
        if what not in _RECORDED_BEFORE:
            services.record_security_change(user=user, what=what, by=user)
        send = partial(super().send_notification_mail, template_prefix, user, *args, **kwargs)
        transaction.on_commit(send)


class SocialAccountAdapter(DefaultSocialAccountAdapter):
    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> User:
        user = super().populate_user(request, sociallogin, data)
        given = data.get("name") or f"{data.get('first_name', '')} {data.get('last_name', '')}"
        try:
            user.name = clean_name(given)
        except Invalid:  # the person types one later
            user.name = ""
        return user

    @transaction.atomic
    def save_user(
        self, request: HttpRequest, sociallogin: SocialLogin, form: forms.Form | None = None
    ) -> User:
        user = super().save_user(request, sociallogin, form)
        return user if form else services.record_sign_up(user=user, by=user)


class MFAAdapter(DefaultMFAAdapter):
    """Seeds of second factors are stored encrypted, under a key that is not in the database."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode()).decode()


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    derived = [salted_hmac("accounts.mfa", "seed", key, algorithm="sha256") for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(one.digest())) for one in derived])
