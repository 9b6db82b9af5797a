"""Keys leaked and were revoked; later their holders get new ones, and claim them themselves."""

import re
from datetime import timedelta

import pytest
from celery import current_app
from django.utils import timezone

from portal.credentials.models import Credential, Reissue, Revocation
from portal.credentials.tasks import reconcile
from portal.credentials.verification import verify
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.accounts import make_fresh
from tests.factories.cases import finished_case, preview_reissue, start_reissue, typed
from tests.factories.reviews import staff
from tests.factories.stories import again
from tests.faults.locks import held, somebody_waits_for_a_lock
from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture
from tests.processes import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("standing_oracle"),
]
CASES, REISSUES = "/admin/credentials/revocation/", "/admin/credentials/reissue/"


def sign_in(client, person):
    client.force_login(person)
    make_fresh(client, person)


def works(token, phase):
    return bool(verify(token, audience=phase.release.audience, scope=stories.STANDARD).verdict)


def test_revoked_re_issued_claimed_and_working_while_the_old_ones_stay_dead(client, worker):
    phase = stories.open_phase()
    made = [stories.claimed(phase=phase) for _ in range(3)]
    sign_in(client, staff("incident_responder"))
    asked = {"title": "A dump", "severity": "high", "phase": phase.ref, "reason": "incident"}
    client.post(f"{CASES}add/", asked)
    case = Revocation.objects.get()
    client.post(f"{CASES}{case.ref}/confirm/", typed(case))
    worker.start()
    until(lambda: again(case).status == "completed")

    (spared, _token), *others = made
    wanted = {"exclusions": f"{spared.kid} still looking for the laptop", "note": "It is gone."}
    client.post(f"{CASES}{case.ref}/reissue/", wanted)
    reissue = Reissue.objects.get()
    client.post(f"{REISSUES}{reissue.ref}/confirm/", typed(reissue))
    until(lambda: again(reissue).status == "completed")
    new = Credential.objects.filter(status="ready")
    assert set(new.values_list("grant", flat=True)) == {key.grant_id for key, _token in others}
    mails = OutgoingMail.objects.filter(template="credentials/keys_reissued")
    assert sorted(mails.values_list("to", flat=True)) == sorted(
        key.grant.holder.email for key, _token in others
    )

    slot = new.first()
    sign_in(client, slot.grant.holder)
    assert slot.kid in client.get("/access/").text
    page = client.post(f"/access/keys/{slot.kid}/claim/", {"scopes": slot.scopes}).text
    token = re.search(r"tpk_live_\w+", page)[0]
    assert works(token, phase)
    assert not any(works(old, phase) for _key, old in made)


def test_a_worker_killed_midway_makes_no_slot_twice_and_tells_nobody_twice(worker):
    by = stories.responder()
    keys = [stories.claimed(phase=phase)[0] for phase in [stories.open_phase()] * 4]
    reissue = start_reissue(preview_reissue(finished_case(by, *keys), by), by)
    last = reissue.items.select_for_update().order_by("-pk")[:1]
    # One item is in another's hands: so the worker stands still, its slots made and not committed.
    with held(lambda: len(last)):
        worker.start()
        current_app.send_task("credentials.finish_reissue", [reissue.pk])
        until(somebody_waits_for_a_lock)
        worker.kill()
    assert again(reissue).leased_until is not None  # it was killed with the re-issue in its hands
    assert not Credential.objects.filter(status="ready").exists()

    ago = timezone.now() - timedelta(minutes=1)
    Reissue.objects.update(confirmed_at=ago, leased_until=ago)
    worker.start()
    current_app.send_task(reconcile.name)
    until(lambda: again(reissue).status == "completed")
    slots = Credential.objects.filter(status="ready")
    assert sorted(slots.values_list("grant", flat=True)) == sorted(key.grant_id for key in keys)
    mails = OutgoingMail.objects.filter(template="credentials/keys_reissued")
    told = [kid for kids in mails.values_list("context__kids", flat=True) for kid in kids]
    assert sorted(told) == sorted(slots.values_list("kid", flat=True))
