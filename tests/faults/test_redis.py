"""Redis stopped, silent, full and emptied under a portal at work: the doors do not notice, staff do
not wait, and what was decided meanwhile is finished by the same worker, which nobody restarts.
"""

import json
import signal
import time
import urllib.parse
import urllib.request

import pytest
import redis
from celery import current_app

from portal.credentials.models import Credential
from portal.credentials.services import revoke_credential
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.gateway import basic, make_gateway
from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture
from tests.faults.test_workers import (
    AT_ONCE,
    broker,  # noqa: F401 - a fixture
    until_reconciled,
)
from tests.processes import portal_environment, until, web

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("standing_oracle"),
]


def told(server, *words):
    with redis.Redis.from_url(server.url) as client:
        client.execute_command(*words)


# (what goes wrong, what makes it right again)
FAULTS = {
    "stopped": (lambda server: server.stop(), lambda server: server.start()),
    "silent": (
        lambda server: server.running.send_signal(signal.SIGSTOP),
        lambda server: server.running.send_signal(signal.SIGCONT),
    ),
    "full": (
        lambda server: told(server, "CONFIG", "SET", "maxmemory", "1"),
        lambda server: told(server, "CONFIG", "SET", "maxmemory", "0"),
    ),
    "emptied": (lambda server: told(server, "FLUSHALL"), lambda server: None),
}


class Door:
    """A web process of its own, asked as a gateway of the key's release asks."""

    def __init__(self, address, release):
        self._address, (gateway, secret) = address, make_gateway(release)
        self._known = basic(gateway.client_id, secret)

    def active(self, token):
        body = urllib.parse.urlencode({"token": token}).encode()
        asked = urllib.request.Request(
            f"{self._address}/oauth/introspect", body, {"Authorization": self._known}
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return json.load(answer)["active"]


def quickly(act):
    began = time.monotonic()
    act()
    return time.monotonic() - began < AT_ONCE


class AllMailsHaveLeft:
    """To be asked until they have; rings as beat does, every second instead of every fifteen."""

    def __init__(self):
        self._rings_at = 0.0

    def __call__(self):
        if time.monotonic() >= self._rings_at:
            current_app.send_task("mail.reconcile")
            self._rings_at = time.monotonic() + 1
        return not OutgoingMail.objects.filter(sent_at=None, dead_at=None).exists()


@pytest.mark.parametrize("fault", FAULTS)
def test_the_portal_goes_on_and_the_worker_finds_its_way_back(broker, worker, fault):  # noqa: F811
    break_it, mend_it = FAULTS[fault]
    phase = stories.open_phase()
    (dying, its_token), (_living, other_token) = (stories.claimed(phase=phase) for _ in range(2))
    application, decider = stories.found_good(phase=phase, times=1), stories.decider()
    worker.start()
    with web("portal.wsgi:application", portal_environment()) as address:
        door = Door(address, phase.release)
        assert (door.active(its_token), door.active(other_token)) == (True, True)
        break_it(broker)
        holder = dying.grant.holder
        assert quickly(lambda: stories.approve(application, by=decider))
        assert quickly(lambda: revoke_credential(kid=dying.kid, reason="key_leaked", by=holder))
        assert (door.active(its_token), door.active(other_token)) == (False, True)
        mend_it(broker)
        slots = Credential.objects.filter(grant__application=application)
        until_reconciled(lambda: slots.filter(status="ready").exists())
        assert (door.active(its_token), door.active(other_token)) == (False, True)
    until(AllMailsHaveLeft())
    for template in ("credentials/key_ready", "credentials/key_revoked"):
        to = application.applicant.email if template.endswith("ready") else holder.email
        assert OutgoingMail.objects.filter(template=template, to=to).count() == (
            2 if (template, to) == ("credentials/key_ready", holder.email) else 1
        )
