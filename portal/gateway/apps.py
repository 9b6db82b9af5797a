from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "portal.gateway"
    label = "gateway"
    verbose_name = "Gateways"

    def ready(self) -> None:
        from portal.credentials import doors  # noqa: PLC0415 - models are up only now
        from portal.gateway import selectors  # noqa: PLC0415 - likewise

        doors.register("gateways", selectors.open_doors)
