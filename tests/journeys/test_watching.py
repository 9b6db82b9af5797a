"""Watched from outside: what several processes count is one sum, and the id of a request is found
in the worker's log.
"""

import http.client
import json
import urllib.request
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from prometheus_client.mmap_dict import MmapedDict

from portal.audit.models import Event
from portal.credentials.models import Credential
from tests.factories import stories
from tests.factories.credentials import make_live_key
from tests.factories.gateway import basic, make_gateway
from tests.journeys import whole_story as story
from tests.numbers import number, told
from tests.processes import portal_environment, until, web

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "t" * 40
ASKED = 40


def metrics(address):
    asked = urllib.request.Request(
        f"{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def watched(tmp_path):
    """The environment of processes that count into a folder of this test; and the folder."""
    env = portal_environment(
        METRICS_TOKEN=TOKEN, DATA_DIR=str(tmp_path), GRANIAN_WORKERS="2", LOG_FORMAT="json"
    )
    return env, tmp_path / "metrics"


@pytest.fixture
def ask():
    """ask(address, token): one introspection on a connection of its own; the answer's `active`."""
    credential, token = make_live_key()
    gateway, secret = make_gateway(credential.grant.phase.release)
    headers = {
        "Authorization": basic(gateway.client_id, secret),
        "Content-Type": "application/x-www-form-urlencoded",
    }

    def introspect(address, key=token):
        link = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
        link.request("POST", "/oauth/introspect", urlencode({"token": key}), headers)
        active = json.loads(link.getresponse().read())["active"]
        link.close()
        return active

    return introspect


def of_each_process(folder):
    """How many decisions each process that is or was there has written down."""
    found = {}
    for file in folder.glob("counter_*.db"):
        if not file.stat().st_size:
            continue  # made a moment ago
        values = MmapedDict.read_all_values_from_file(file)
        found[file] = sum(value for key, value, *_ in values if "access_decisions" in key)
    return found


def decided(address):
    text = metrics(address)
    by_code = {
        code: number(text, "access_decisions_total", door="introspect", code=code)
        for code in ("allowed", "malformed")
    }
    return by_code, number(text, "access_decision_seconds_count", door="introspect")


def test_two_web_processes_tell_one_sum_and_a_restart_loses_nothing(watched, ask):
    env, folder = watched
    with web("portal.wsgi:application", env) as address:
        asked = 0
        while asked < ASKED or len([n for n in of_each_process(folder).values() if n]) < 2:
            assert (ask(address), ask(address, "tpk_live_junk")) == (True, False)
            asked += 1
            assert asked < 2000
        until(lambda: decided(address) == ({"allowed": asked, "malformed": asked}, 2 * asked))
        # Whichever of the two is asked, each tells the same.
        assert [decided(address)[1] for _ in range(10)] == [2 * asked] * 10
    before = set(folder.glob("*.db"))
    with web("portal.wsgi:application", env | {"GRANIAN_WORKERS": "1"}) as address:
        ask(address)
        total = 2 * asked + 1
        until(lambda: decided(address) == ({"allowed": asked + 1, "malformed": asked}, total))
        assert not set(folder.glob("*.db")) & before  # put together, not piled up


def lines_of(text):
    """The records in what processes wrote; what else stands there is granian's and Celery's own."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_the_id_of_a_request_is_found_in_the_worker_s_log_and_the_worker_in_the_metrics(
    worker, monkeypatch, capfd, settings
):
    monkeypatch.setenv("METRICS_TOKEN", TOKEN)
    monkeypatch.setenv("LOG_FORMAT", "json")
    application = stories.found_good(times=1)
    worker.start()
    with web("portal.wsgi:application", portal_environment()) as address:
        decider = story.staff(SimpleNamespace(address=address), "decider")
        decider.get(f"/admin/applications/application/{application.ref}/approve/")
        decider.send({"scopes": [stories.STANDARD], "text": "Welcome."})
        grant = stories.again(application).grant
        until(lambda: Credential.objects.filter(grant=grant, status="ready").exists())
        issued = ("portal_tasks_total", ("outcome", "succeeded"), ("task", "credentials.issue"))
        until(lambda: told(metrics(address)).get(issued) == 1)
        text = metrics(address)
        assert number(text, "portal_task_seconds_count", task="credentials.issue") == 1
        assert number(text, "portal_worker_last_seen_seconds") < 60
        assert number(text, "portal_beat_last_seen_seconds") == float("inf")
    worker.stop()
    records = lines_of(capfd.readouterr().err)
    [approved] = [
        each
        for each in records
        if each.get("method") == "POST" and each.get("route", "").endswith("_approve")
    ]
    [prepared] = [each for each in records if each.get("task") == "credentials.issue"]
    by_event = Event.objects.get(kind="credential.ready", thread=application.ref).request_id
    assert approved["request_id"] == prepared["request_id"] == by_event
    assert (prepared["logger"], prepared["outcome"]) == ("portal.worker", "succeeded")
    assert (approved["status"], approved["user"]) == (
        302,
        Event.objects.get(kind="grant.opened").actor,
    )
