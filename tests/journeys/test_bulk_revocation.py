"""Many keys at once: dead when the confirmation answers, whoever is awake; told afterwards."""

import csv

import pytest

from portal.audit.models import Event
from portal.credentials.enums import ItemStatus
from portal.credentials.models import Credential, Revocation
from portal.credentials.tasks import reconcile
from portal.credentials.verification import verify
from portal.mail.models import OutgoingMail
from tests.factories.credentials import make_live_key
from tests.factories.programs import RolloutPhaseFactory
from tests.factories.reviews import staff
from tests.factories.stories import again
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)
CASES = "/admin/credentials/revocation/"


@pytest.fixture
def phase():
    return RolloutPhaseFactory()


@pytest.fixture
def responder(client):
    client.force_login(staff("incident_responder"))
    return client


def preview(responder, phase):
    asked = {"by": "phase", "phase": phase.ref, "reason": "incident", "note": "Dump at 03:12."}
    response = responder.post(f"{CASES}add/", asked, follow=True)
    return response.context["case"]


def confirm(responder, case):
    sent = {"digest": case.digest, "typed_count": str(case.count)}
    return responder.post(f"{CASES}{case.ref}/confirm/", sent)


def refused(phase, made):
    said = [verify(token, audience=phase.release.audience, scope=None) for _key, token in made]
    return {each.verdict.code for each in said}


def statuses(case):
    return set(case.items.values_list("status", flat=True))


def test_dead_with_every_worker_stopped_and_told_when_one_wakes(responder, phase, worker):
    made = [make_live_key(grant__application__phase=phase) for _ in range(3)]
    case = preview(responder, phase)
    assert refused(phase, made) == {""}  # they work
    assert confirm(responder, case).status_code == 302
    assert refused(phase, made) == {"key_revoked"}
    assert (statuses(case), OutgoingMail.objects.count()) == ({ItemStatus.PENDING}, 0)
    assert "Telling the holders" in responder.get(f"{CASES}{case.ref}/change/").text

    worker.start()
    until(lambda: again(case).status == "completed")
    assert statuses(case) == {ItemStatus.DONE}
    assert Event.objects.filter(kind="credential.revoked").count() == 3
    report = responder.get(f"{CASES}{case.ref}/change/")
    assert report.context["numbers"] == [("keys dead", 3), ("holders", 3), ("dead before", 0)]
    exported = b"".join(responder.get(f"{CASES}{case.ref}/keys.csv").streaming_content).decode()
    outcomes = {line["kid"]: line["outcome"] for line in csv.DictReader(exported.splitlines())}
    assert outcomes == {key.kid: "done" for key, _token in made}


def test_a_worker_killed_midway_leaves_nothing_undone_and_nothing_twice(responder, phase, worker):
    count = 120
    made = [make_live_key(grant__application__phase=phase) for _ in range(count)]
    case = preview(responder, phase)
    worker.start()
    confirm(responder, case)
    until(lambda: case.items.filter(status=ItemStatus.DONE).count() > 20)
    worker.kill()
    done = case.items.filter(status=ItemStatus.DONE).count()
    assert 20 < done < count, "too fast to be killed midway"
    assert refused(phase, made) == {"key_revoked"}

    worker.start()
    until(lambda: _rung(case), patience=60)
    mails = OutgoingMail.objects.filter(template="credentials/key_revoked")
    kids = list(mails.values_list("context__kid", flat=True))
    assert sorted(kids) == sorted(key.kid for key, _token in made)
    assert Credential.objects.filter(status="revoked").count() == count
    kinds = list(Event.objects.filter(subject=case.ref).values_list("kind", flat=True))
    assert kinds.count("revocation.completed") == 1
    assert Revocation.objects.get().completed_at is not None


def _rung(case):
    """What beat does: ring for what is unfinished."""
    reconcile()
    return again(case).status == "completed"
