"""Acts that need a sign-in no older than five minutes."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import app_settings
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from accounts.models import User

View = Callable[..., HttpResponse]


def fresh_sign_in_required(view: View) -> View:
    """Ask for the password or second factor again, unless they were asked for again within five
    minutes: having signed in is not enough, however lately.

    Fails closed for somebody who has neither (who signs in with an institution only): then the
    sign-in itself must be that fresh. AccountAdapter.is_reauthentication_required is the same for
    allauth's own pages.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_fresh(request):
            raise ReauthenticationRequired
        return view(request, *args, **kwargs)

    return login_required(guarded)


def is_fresh(request: HttpRequest) -> bool:
    """Whether a view behind `fresh_sign_in_required` would let this request in."""
    return signed_in_recently(request, again=can_reauthenticate(request))


def signed_in_recently(request: HttpRequest, *, again: bool = False) -> bool:
    """Whether this session's last step of signing in, or of doing so `again`, is fresh enough."""
    records = [
        record
        for record in get_authentication_records(request, request.user)
        if record.get("reauthenticated") or not again
    ]
    return bool(records) and time.time() - records[-1]["at"] < app_settings.REAUTHENTICATION_TIMEOUT


def institutions_proved(request: HttpRequest, user: User) -> set[tuple[str, str]]:
    """(provider, uid) of each institution that this very session came with."""
    records = get_authentication_records(request, user)
    return {(one["provider"], one["uid"]) for one in records if one["method"] == "socialaccount"}


def can_reauthenticate(request: HttpRequest) -> bool:
    """Whether there is a password or second factor to ask for."""
    user = request.user
    return user.is_authenticated and (user.has_usable_password() or is_mfa_enabled(user))
