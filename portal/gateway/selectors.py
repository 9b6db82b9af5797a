"""Reads about gateways."""

from django.db.models import Count

from portal.credentials.doors import Door
from portal.gateway.models import Gateway
from portal.gateway.tokens import LIFE


def sandbox_audience() -> str | None:
    """The model a demo's sandbox stands for: that of its first gateway still in use."""
    return (
        Gateway.objects.filter(disabled_at=None)
        .order_by("id")
        .values_list("release__audience", flat=True)
        .first()
    )


def gateways_by_pepper() -> dict[int, int]:
    """Of the gateways in use, by the version their secret's hash is of: how many."""
    rows = Gateway.objects.filter(disabled_at=None).order_by()
    return dict(rows.values_list("pepper_version").annotate(Count("pk")))


def open_doors() -> list[Door]:
    """The gateways in use, as cases of revocation ask them for proof."""
    rows = Gateway.objects.filter(disabled_at=None).order_by("client_id")
    return [
        Door(ref, name, audience, sandbox, offline_for=LIFE)
        for ref, name, audience, sandbox in rows.values_list(
            "client_id", "name", "release__audience", "sandbox"
        )
    ]
