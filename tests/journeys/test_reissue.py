"""Keys leaked and were revoked; later their holders get new ones, and claim them themselves."""

import re

import pytest

from portal.credentials.models import Credential, Reissue, Revocation
from portal.credentials.services import word_of
from portal.credentials.verification import verify
from portal.mail.models import OutgoingMail
from tests.factories import stories
from tests.factories.accounts import make_fresh
from tests.factories.reviews import staff
from tests.factories.stories import again
from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture
from tests.processes import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("standing_oracle"),
]
CASES, REISSUES = "/admin/credentials/revocation/", "/admin/credentials/reissue/"


def typed(thing):
    word = word_of(thing.digest)
    return {"digest": thing.digest, "typed_count": str(thing.count), "typed_word": word}


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
    until(lambda: not mails.filter(sent_at=None).exists())

    slot = new.first()
    sign_in(client, slot.grant.holder)
    assert slot.kid in client.get("/access/").text
    page = client.post(f"/access/keys/{slot.kid}/claim/", {"scopes": slot.scopes}).text
    token = re.search(r"tpk_live_\w+", page)[0]
    assert works(token, phase)
    assert not any(works(old, phase) for _key, old in made)
