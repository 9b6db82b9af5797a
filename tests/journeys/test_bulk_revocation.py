"""Many keys at once: dead when the confirmation answers, whoever is awake; told afterwards."""

import csv
from datetime import timedelta

import pytest
from celery import current_app

from portal.audit.models import Event
from portal.credentials.enums import ItemStatus
from portal.credentials.services import word_of
from portal.credentials.tasks import reconcile
from portal.credentials.verification import verify
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.accounts import make_fresh
from tests.factories.cases import let_pass
from tests.factories.reviews import staff
from tests.factories.stories import again
from tests.faults.locks import held, somebody_waits_for_a_lock
from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture
from tests.processes import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("standing_oracle"),
]
CASES = "/admin/credentials/revocation/"


@pytest.fixture
def responder(client):
    person = staff("incident_responder")
    client.force_login(person)
    make_fresh(client, person)
    return client


def preview(responder, phase):
    asked = {"title": "A dump", "severity": "high", "phase": phase.ref, "reason": "incident"}
    response = responder.post(f"{CASES}add/", asked, follow=True)
    return response.context["case"]


def confirm(responder, case):
    sent = {"digest": case.digest, "typed_count": str(case.count)}
    sent["typed_word"] = word_of(case.digest)
    return responder.post(f"{CASES}{case.ref}/confirm/", sent)


def refused(phase, made):
    said = [verify(token, audience=phase.release.audience, scope=None) for _key, token in made]
    return {each.verdict.code for each in said}


def mails():
    return OutgoingMail.objects.filter(template="credentials/keys_revoked")


def statuses(case):
    return set(case.items.values_list("status", flat=True))


def test_dead_with_every_worker_stopped_and_told_when_one_wakes(responder, worker):
    phase = stories.open_phase()
    made = [stories.claimed(phase=phase) for _ in range(3)]
    case = preview(responder, phase)
    assert refused(phase, made) == {""}  # they work
    assert confirm(responder, case).status_code == 302
    assert refused(phase, made) == {"key_revoked"}
    assert (statuses(case), mails().count()) == ({ItemStatus.PENDING}, 0)
    assert "Telling partners" in responder.get(f"{CASES}{case.ref}/change/").text

    worker.start()
    until(lambda: again(case).status == "completed")
    assert statuses(case) == {ItemStatus.DONE}
    assert Event.objects.filter(kind="credential.revoked").count() == 3
    report = responder.get(f"{CASES}{case.ref}/change/")
    assert report.context["numbers"] == [("keys dead", 3), ("holders", 3), ("dead before", 0)]
    exported = b"".join(responder.get(f"{CASES}{case.ref}/keys.csv").streaming_content).decode()
    outcomes = {line["kid"]: line["outcome"] for line in csv.DictReader(exported.splitlines())}
    assert outcomes == {key.kid: "done" for key, _token in made}


def test_a_worker_killed_midway_leaves_nothing_undone_and_nothing_twice(responder, worker):
    phase = stories.open_phase()
    made = [stories.claimed(phase=phase) for _ in range(4)]
    case = preview(responder, phase)
    confirm(responder, case)
    last = case.items.select_for_update().order_by("-pk")[:1]
    # One item is in another's hands: so the worker stands still, in the middle of telling.
    with held(lambda: lock(last)):
        worker.start()
        until(somebody_waits_for_a_lock)
        worker.kill()
        assert case.items.last().status == "pending"
    assert again(case).leased_until is not None  # it was killed with the case in its hands
    assert refused(phase, made) == {"key_revoked"}

    let_pass(timedelta(minutes=1))  # reconcile leaves alone what a worker may have in hand
    worker.start()
    current_app.send_task(reconcile.name)
    until(lambda: again(case).status == "completed")
    kids = [kid for kids in mails().values_list("context__kids", flat=True) for kid in kids]
    assert sorted(kids) == sorted(key.kid for key, _token in made)
    kinds = list(Event.objects.filter(subject=case.ref).values_list("kind", flat=True))
    assert kinds.count("revocation.completed") == 1


def lock(rows):
    assert len(rows) == 1
