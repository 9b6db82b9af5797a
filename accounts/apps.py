from typing import Any

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"
    label = "accounts"
    verbose_name = "People and organisations"

    def ready(self) -> None:
        # Permissions exist only after their app's migrations, so the roles follow `migrate`.
        post_migrate.connect(_sync_roles, dispatch_uid="accounts.staff_roles")


def _sync_roles(sender: AppConfig, using: str, apps: Any = global_apps, **kwargs: Any) -> None:
    if "auth" not in apps.all_models:  # migrated only in part, and not yet that far
        return
    from accounts.services.staff import sync_role_permissions  # noqa: PLC0415 - models are not up yet

    sync_role_permissions(app_label=sender.label, using=using)
