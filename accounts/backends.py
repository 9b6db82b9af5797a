"""Who somebody is, as the sign-in library tells; and what they may, asked at once."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.db import connection

_OWN_AND_OF_ROLES = """
SELECT app_label, codename
FROM auth_permission JOIN django_content_type ON django_content_type.id = content_type_id
WHERE auth_permission.id IN (
    SELECT permission_id FROM accounts_user_user_permissions WHERE user_id = %(user)s
    UNION ALL
    SELECT permission_id FROM auth_group_permissions
    JOIN accounts_user_groups USING (group_id) WHERE user_id = %(user)s
)
"""


class Backend(AuthenticationBackend):
    """Django asks for a person's own permissions and for those of their roles apart, which costs
    each page of staff's twice as much as anything else they ask.
    """

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if user_obj.is_superuser or not user_obj.is_active or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):  # Django's: as long as this object of the person
            with connection.cursor() as cursor:
                cursor.execute(_OWN_AND_OF_ROLES, {"user": user_obj.pk})
                user_obj._perm_cache = {f"{app}.{name}" for app, name in cursor.fetchall()}
        found: set[str] = user_obj._perm_cache
        return found
