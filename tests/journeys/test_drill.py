"""A drill from end to end: keys to test die at a real door, the time is taken, nobody is told."""

import json
import re
import time
import urllib.parse
import urllib.request
from types import SimpleNamespace

import pytest

from portal.credentials.models import Revocation
from portal.credentials.services import make_test_credential, word_of
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.gateway import basic, make_gateway
from tests.factories.stories import again
from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture
from tests.journeys import whole_story as story
from tests.processes import portal_environment, until, web

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("standing_oracle"),
]
CASES = "/admin/credentials/revocation/"


def asker(address, gateway, secret):
    """ask(tokens): what introspection says of each, as the gateway hears it."""

    def one(token):
        body = urllib.parse.urlencode({"token": token}).encode()
        headers = {"Authorization": basic(gateway.client_id, secret)}
        asked = urllib.request.Request(f"{address}/oauth/introspect", body, headers)
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return json.load(answer)["active"]

    return lambda tokens: [one(token) for token in tokens]


def test_a_drill_kills_keys_to_test_alone_and_stands_in_the_history_with_its_time(worker):
    phase = stories.open_phase()
    made = [stories.claimed(phase=phase) for _ in range(3)]
    live = [token for _key, token in made]
    tests = [
        make_test_credential(grant_id=key.grant_id, by=key.grant.holder)[1].token
        for key, _token in made
    ]
    gateway, secret = make_gateway(phase.release, "Sandbox", sandbox=True)
    front, front_secret = make_gateway(phase.release, "Front")
    OutgoingMail.objects.all().delete()
    worker.start()
    with web("portal.wsgi:application", portal_environment()) as address:
        sandbox = asker(address, gateway, secret)
        door = asker(address, front, front_secret)
        ines = story.staff(SimpleNamespace(address=address), "incident_responder")
        assert "Never drilled." in ines.get("/admin/").text
        assert (sandbox(tests), door(live)) == ([True] * 3, [True] * 3)

        ines.get(f"{CASES}add/")
        asked = {"title": "Drill of May", "phase": phase.ref, "reason": "incident"}
        ines.send({**asked, "rehearsal": "on"})
        assert "This is a drill" in ines.text
        story.prove_identity(ines)
        case = Revocation.objects.get()
        began = time.monotonic()
        ines.send({"typed_count": "3", "typed_word": word_of(case.digest)})
        assert sandbox(tests) == [False] * 3
        from_outside = time.monotonic() - began
        assert door(live) == [True] * 3

        until(lambda: again(case).status == "completed" and case.proofs.count() == 2)
        page = ines.get(f"{CASES}{case.ref}/change/").words()
        told = re.search(r"([\d.]+) seconds after it was confirmed every door had refused", page)
        assert 0 <= float(told[1]) < 30
        history = ines.get(f"{CASES}?rehearsal=1").words()
        assert re.search(rf"{case.ref} Drill\. Drill of May .* {told[1]} s ", history)
        assert case.ref not in ines.get(f"{CASES}?rehearsal=0").words()
        assert "drill" not in ines.get("/admin/").text.lower()
        report = json.loads(ines.get(f"{CASES}{case.ref}/report.json").text)
    assert from_outside < 30
    assert (report["rehearsal"], [each["refused"] for each in report["doors"]]) == (True, [3, 3])
    assert not OutgoingMail.objects.exists()
