"""Staff roles: groups, their permissions, and who is in them."""

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from accounts import policies
from accounts.enums import StaffRole
from accounts.models import User
from accounts.roles import codenames
from accounts.services.people import register_user
from portal.audit.services import System, record_event
from portal.errors import Invalid


@transaction.atomic
def set_staff_roles(*, user_id: int, roles: Iterable[str], by: User | System) -> User:
    """Give exactly these roles. Somebody left without any can no longer enter the admin.

    `System` stands for whoever has a shell on the server, who may make the first staff.
    """
    user = User.objects.select_for_update().get(pk=user_id)
    if not isinstance(by, System):
        policies.can_assign_staff_roles(by, user).enforce()
    wanted = _known(roles)
    before = sorted(user.groups.values_list("name", flat=True))
    user.groups.set(Group.objects.filter(name__in=wanted))
    user.is_staff = bool(wanted) or user.is_superuser
    user.save(update_fields=["is_staff"])
    if before != wanted:
        record_event(
            "staff.roles_changed",
            subject=user.ref,
            thread=user.ref,
            by=by,
            payload={"from": before, "to": wanted},
        )
    return user


@transaction.atomic
def make_staff(
    *, email: str, name: str, roles: Iterable[str], by: System, hashed: str | None = None
) -> User:
    """Make the account if there is none, and give it exactly these roles."""
    user = User.objects.filter(email=email.strip().lower()).first()
    user = user or register_user(email=email, name=name, hashed=hashed, by=by)
    return set_staff_roles(user_id=user.pk, roles=roles, by=by)


@transaction.atomic
def sync_role_permissions(*, app_label: str, using: str) -> None:
    """Make every role's group hold exactly its permissions on one app's models; `migrate` calls
    this for each app once the app's permissions exist. Running it again changes nothing.
    """
    groups = {group.name: group for group in Group.objects.using(using)}
    permissions = Permission.objects.using(using).filter(content_type__app_label=app_label)
    known = list(permissions.values_list("pk", "codename"))
    held = set(permissions.filter(group__isnull=False).values_list("group__name", "pk"))
    for role in StaffRole:
        group = groups.get(role.value) or Group.objects.using(using).create(name=role.value)
        wanted = {pk for pk, codename in known if codename in codenames(role, app_label)}
        has = {pk for name, pk in held if name == role.value}
        if has != wanted:
            group.permissions.remove(*has - wanted)
            group.permissions.add(*wanted - has)


def _known(roles: Iterable[str]) -> list[str]:
    try:
        return sorted({StaffRole(role).value for role in roles})
    except ValueError:
        reason = "Choose roles from the list."
        raise Invalid("role_unknown", reason, {"roles": reason}) from None
