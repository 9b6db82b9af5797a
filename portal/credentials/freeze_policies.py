"""Who may freeze, and lift: one person places a freeze, two different people lift it."""

from accounts.models import User
from portal.credentials.models import Freeze
from portal.verdict import Verdict, allow, deny

_SUSPENDED = deny("account_suspended", "Your account is suspended; write to us.")
_NO_PERMISSION = deny("no_permission", "Only an incident responder can do this.")


def can_freeze(user: User) -> Verdict:
    """A command names who acts, so this looks at the account as well."""
    if user.suspended_at:
        return _SUSPENDED
    return allow() if user.has_perm("credentials.freeze_access") else _NO_PERMISSION


def can_view_freezes(user: User) -> Verdict:
    """Whoever may freeze, and those who look after the programme or audit it."""
    may = user.has_perm("credentials.view_freeze") or can_freeze(user)
    return allow() if may else _NO_PERMISSION


def can_ask_to_lift(user: User, freeze: Freeze) -> Verdict:
    may = _while_in_force(user, freeze)
    if may and freeze.lift_asked_by_id == user.pk:
        return deny("asked_yourself", "You have asked already. A colleague must lift it.")
    if may and freeze.lift_asked_at:
        return deny("lift_asked", "A colleague has asked already. You can lift it.")
    return may


def can_lift_freeze(user: User, freeze: Freeze) -> Verdict:
    """Never whoever asked; the database refuses it as well."""
    may = _while_in_force(user, freeze)
    if may and not freeze.lift_asked_at:
        return deny("lift_not_asked", "It takes two: ask to lift it, then a colleague lifts it.")
    if may and freeze.lift_asked_by_id == user.pk:
        return deny("asked_yourself", "You asked to lift it, so a colleague must do it.")
    return may


def can_keep_freeze(user: User, freeze: Freeze) -> Verdict:
    """Anybody who may freeze: a colleague declines, whoever asked thinks better of it."""
    may = _while_in_force(user, freeze)
    if may and not freeze.lift_asked_at:
        return deny("lift_not_asked", "Nobody has asked to lift it; it stays in force as it is.")
    return may


def _while_in_force(user: User, freeze: Freeze) -> Verdict:
    may = can_freeze(user)
    if may and freeze.lifted_at:
        return deny("lifted", "It is lifted already. Place another freeze if you need one.")
    return may
