import gc

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.core.checks import Tags, register

from portal.celery import app as celery_app
from portal.checks import check_deployment, check_doorbell


class PortalConfig(AppConfig):
    name = "portal"

    def import_models(self) -> None:
        gc.disable()  # until `ready`: what is loaded meanwhile stays as long as the process does
        super().import_models()

    def ready(self) -> None:
        # Tasks are this Celery's. Made here rather than in `portal` itself: the sandbox, `make
        # reset` and others that are no Django need not load it.
        celery_app.set_default()
        register(check_doorbell)
        register(check_deployment, Tags.security, deploy=True)
        # The collector is spared looking at it time and again. Celery has it look at everything
        # before each child, and Python has it take everything to pieces before it ends.
        gc.freeze()
        gc.enable()


class PortalAdminConfig(AdminConfig):
    default_site = "portal.site.PortalAdminSite"
