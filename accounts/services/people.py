"""Accounts: made, changed, suspended."""

import zoneinfo
from collections.abc import Collection

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from accounts import notices, policies
from accounts.models import User
from accounts.names import clean_name
from portal.audit.services import Actor, record_event
from portal.errors import Conflict, Invalid


@transaction.atomic
def register_user(*, email: str, name: str, by: Actor, hashed: str | None = None) -> User:
    """Make an account whose address `by` vouches for: no code is mailed to it.

    For operators and the demo; people who sign up in the browser come through `record_sign_up`.
    Without a password, which comes `hashed`, the person sets one through "Forgot your password?".
    """
    email = email.strip().lower()
    if User.objects.filter(email=email).exists():
        raise Conflict("email_taken", f"{email} has an account already.")
    user = User(email=email, name=clean_name(name), password=hashed or make_password(None))
    user.save()
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    record_event("user.signed_up", subject=user.ref, thread=user.ref, by=by)
    return user


@transaction.atomic
def record_sign_up(*, user: User, by: User) -> User:
    """Save an account that its own person makes."""
    user.save()
    record_event("user.signed_up", subject=user.ref, thread=user.ref, by=by)
    return user


@transaction.atomic
def record_security_change(*, user: User, what: str, by: User) -> None:
    """Tell the log of a change to how the person signs in, made by the sign-in library."""
    record_event(
        "user.security_changed", subject=user.ref, thread=user.ref, by=by, payload={"what": what}
    )


@transaction.atomic
def disconnect_strangers(*, user: User, proved: Collection[tuple[str, str]], by: User) -> None:
    """Take from an account, whose owner has just become known, every institution but those
    `proved` in the session that made them known: (provider, uid) each.
    """
    for account in SocialAccount.objects.filter(user=user):
        if (account.provider, account.uid) not in proved:
            account.delete()
            record_security_change(user=user, what="account_disconnected", by=by)


@transaction.atomic
def update_profile(*, user_id: int, name: str, time_zone: str, by: User) -> User:
    """The person's own name and time zone."""
    user = User.objects.select_for_update().get(pk=user_id)
    policies.can_edit_profile(by, user).enforce()
    if time_zone not in zoneinfo.available_timezones():
        reason = "Choose one from the list."
        raise Invalid("time_zone_unknown", reason, {"time_zone": reason})
    user.name, user.time_zone = clean_name(name), time_zone
    user.save(update_fields=["name", "time_zone"])
    record_event("user.profile_changed", subject=user.ref, thread=user.ref, by=by)
    return user


@transaction.atomic
def suspend_user(*, user_id: int, by: User) -> User:
    """Take every right away from commit on. The person can still sign in and read why nothing
    works; their keys are refused because verification looks at the holder each time.
    """
    user = User.objects.select_for_update().get(pk=user_id)
    policies.can_suspend_user(by, user).enforce()
    user.suspended_at, user.suspended_by = timezone.now(), by
    user.save(update_fields=["suspended_at", "suspended_by"])
    record_event("user.suspended", subject=user.ref, thread=user.ref, by=by)
    notices.user_suspended(user)
    return user


@transaction.atomic
def reinstate_user(*, user_id: int, by: User) -> User:
    user = User.objects.select_for_update().get(pk=user_id)
    policies.can_reinstate_user(by, user).enforce()
    user.suspended_at = user.suspended_by = None
    user.save(update_fields=["suspended_at", "suspended_by"])
    record_event("user.reinstated", subject=user.ref, thread=user.ref, by=by)
    notices.user_reinstated(user)
    return user
