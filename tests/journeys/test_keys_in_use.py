"""Keys used at a real server: its thread writes what its doors noted."""

import base64
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials.models import Credential
from portal.credentials.services import rotate_credential
from portal.gateway.models import Gateway
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway
from tests.journeys.test_gateway_processes import send
from tests.processes import portal_environment, web

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE = 20


def poll(question):
    """What it answers as soon as that is not nothing."""
    until = time.monotonic() + PATIENCE
    while not (answer := question()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return answer


def test_a_rotation_under_a_new_pepper_is_noted_by_the_server(settings):
    """A key, its gateway and their successor: last use, first use and the newest hash."""
    old, _token = make_live_key()
    new, minted = rotate_credential(kid=old.kid, by=old.grant.holder)
    gateway, secret = make_gateway(old.grant.phase.release)
    one = base64.urlsafe_b64encode(settings.CREDENTIAL_PEPPERS[1]).decode()
    two = base64.urlsafe_b64encode(bytes(range(32))).decode()
    env = portal_environment(CREDENTIAL_PEPPERS=f"2:{two},1:{one}")
    headers = [
        ("X-Gateway-Authorization", basic(gateway.client_id, secret)),
        ("Authorization", f"Bearer {minted.token}"),
    ]

    def ask(portal):
        return send(portal, "GET", "/gateway/authorize?scope=model:infer", headers)[0]

    with web("portal.wsgi:application", env) as portal:
        assert ask(portal) == 200
        at = poll(lambda: Credential.objects.get(pk=new.pk).last_used_at)
        poll(lambda: Credential.objects.get(pk=new.pk).pepper_version == 2)
        poll(lambda: Gateway.objects.get().pepper_version == 2)
        assert ask(portal) == 200
    assert timezone.now() - timedelta(minutes=11) < at <= timezone.now()
    assert Credential.objects.get(pk=new.pk).overlap_started_at
    assert Credential.objects.get(pk=old.pk).expires_at < new.expires_at
    with web("portal.wsgi:application", env | {"CREDENTIAL_PEPPERS": f"2:{two}"}) as portal:
        assert ask(portal) == 200
