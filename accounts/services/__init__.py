"""Every change to people and organisations."""

from accounts.services.invitations import (
    accept_invitation,
    invite_member,
    resend_invitation,
    withdraw_invitation,
)
from accounts.services.organizations import (
    change_role,
    create_organization,
    reinstate_organization,
    remove_member,
    suspend_organization,
)
from accounts.services.people import (
    disconnect_strangers,
    record_security_change,
    record_sign_up,
    register_user,
    reinstate_user,
    suspend_user,
    update_profile,
)
from accounts.services.staff import make_staff, set_staff_roles
from accounts.services.verifications import record_verification

__all__ = [
    "accept_invitation",
    "change_role",
    "create_organization",
    "disconnect_strangers",
    "invite_member",
    "make_staff",
    "record_security_change",
    "record_sign_up",
    "record_verification",
    "register_user",
    "reinstate_organization",
    "reinstate_user",
    "remove_member",
    "resend_invitation",
    "set_staff_roles",
    "suspend_organization",
    "suspend_user",
    "update_profile",
    "withdraw_invitation",
]
