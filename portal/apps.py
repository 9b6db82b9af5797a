from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.core.checks import Tags, register

from portal.checks import check_deployment, check_doorbell


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        register(check_doorbell)
        register(check_deployment, Tags.security, deploy=True)


class PortalAdminConfig(AdminConfig):
    default_site = "portal.site.PortalAdminSite"
