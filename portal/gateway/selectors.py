"""Reads about gateways."""

from portal.gateway.models import Gateway


def sandbox_audience() -> str | None:
    """The model a demo's sandbox stands for: that of its first gateway still in use."""
    return (
        Gateway.objects.filter(disabled_at=None)
        .order_by("id")
        .values_list("release__audience", flat=True)
        .first()
    )
