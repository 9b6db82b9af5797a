"""Gateways, and how one presents itself."""

import base64
from urllib.parse import quote_plus

from portal.gateway.services import register_gateway
from tests.factories.accounts import UserFactory


def make_gateway(release, name="Test gateway", **more):
    """Return (gateway, secret), registered through the service as staff would."""
    staff = UserFactory(is_staff=True, permissions=["gateway.manage_gateways"])
    return register_gateway(release_id=release.pk, name=name, by=staff, **more)


def basic(client_id, secret):
    both = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(both.encode()).decode()
