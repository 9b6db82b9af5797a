"""Where receivers are on loopback, which endpoints may not be otherwise."""

import ipaddress

import pytest


@pytest.fixture
def loopback(settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )
