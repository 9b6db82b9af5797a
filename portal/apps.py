import gc
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register

from portal.celery import app as celery_app
from portal.checks import DOORBELL, check_deployment, check_doorbell


class PortalConfig(AppConfig):
    name = "portal"

    def import_models(self) -> None:
        gc.disable()  # until `ready`: what is loaded meanwhile stays as long as the process does
        super().import_models()

    def ready(self) -> None:
        # Tasks are this Celery's. Made here rather than in `portal` itself: the sandbox, `make
        # reset` and others that are no Django need not load it.
        celery_app.set_default()
        register(check_doorbell, DOORBELL)
        register(check_deployment, Tags.security, deploy=True)
        # The collector is spared looking at it time and again. Celery has it look at everything
        # before each child, and Python has it take everything to pieces before it ends.
        gc.freeze()
        gc.enable()


class PortalAdminConfig(SimpleAdminConfig):
    """Staff's pages are loaded by portal.urls. Django's own AdminConfig has worker, beat and each
    command load them, too, which show none.
    """

    default_site = "portal.site.PortalAdminSite"

    def ready(self) -> None:
        register(check_dependencies, Tags.admin)
        register(check_staffs_pages, Tags.admin)


def check_staffs_pages(
    app_configs: Sequence[AppConfig] | None = None, **asked: Any
) -> Sequence[CheckMessage]:
    """Django's check of them, which is content with none where they have not been loaded."""
    autodiscover()
    return check_admin_app(app_configs, **asked)
