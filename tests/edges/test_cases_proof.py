"""What staff see of a case once its keys are dead: doors asked, the report, drills."""

import csv
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials import services
from portal.credentials.models import Revocation
from portal.credentials.targets import Selector
from portal.mail.models import OutgoingMail
from tests.edges.test_accounts_sign_in import words
from tests.factories.credentials import make_live_key
from tests.factories.gateway import make_gateway
from tests.factories.reviews import staff
from tests.factories.stories import WORKER

pytestmark = pytest.mark.django_db
CASES = "/admin/credentials/revocation/"


@pytest.fixture
def who():
    return staff("incident_responder")


def killed(who, key, **given):
    case = services.preview_revocation(
        selector=Selector(kids=key.kid), reason="incident", note="", by=who, **given
    )
    typed = {"typed_count": "1", "typed_word": services.word_of(case.digest)}
    services.start_revocation(revocation_id=case.pk, digest=case.digest, by=who, **typed)
    services.finish_revocation(revocation_id=case.pk, by=WORKER)
    return case


def test_every_door_is_asked_and_the_answers_are_shown_and_filed(desk, who, settings):
    key, _token = make_live_key()
    gateway, _secret = make_gateway(key.grant.phase.release, name="Edge in Oslo")
    case = killed(who, key)
    page = f"{CASES}{case.ref}/change/"
    assert "No door has been asked yet." in desk.get(page).text
    assert "the one key of" in desk.get(f"{CASES}{case.ref}/prove/").text
    asked = desk.post(f"{CASES}{case.ref}/prove/", follow=True).text
    assert "every door had refused every key" in asked
    assert "Edge in Oslo" in asked
    assert "up to 60 seconds where it judges tokens by itself." in asked
    settings.AUTHORIZE_WITHIN = 1.5
    late = "judges tokens by itself, up to 1.5 seconds behind forward-auth."
    assert late in desk.get(page).text
    report = json.loads(desk.get(f"{CASES}{case.ref}/report.json").content)
    assert [(each["name"], each["asked"], each["refused"]) for each in report["doors"]] == [
        ("Edge in Oslo", 1, 1)
    ]
    assert (report["case"], report["digest"]) == (case.ref, case.digest)
    assert gateway.client_id in asked


def test_the_doors_are_a_file_too(desk, who):
    key, _token = make_live_key()
    door, _secret = make_gateway(key.grant.phase.release, name="Edge in Oslo")
    case = killed(who, key)
    page, file = f"{CASES}{case.ref}/change/", f"{CASES}{case.ref}/doors.csv"
    assert file not in desk.get(page).text
    desk.post(f"{CASES}{case.ref}/prove/")
    assert file in desk.get(page).text
    written = b"".join(desk.get(file).streaming_content).decode("utf-8-sig")
    (line,) = csv.DictReader(written.splitlines())
    assert (line["case"], line["door"], line["name"]) == (case.ref, door.client_id, "Edge in Oslo")
    assert (line["asked"], line["refused"], line["let_through"]) == ("1", "1", "")


def test_the_report_is_for_those_who_may_see_cases(client, who):
    key, _token = make_live_key()
    case = killed(who, key)
    client.force_login(staff("reviewer"))
    for address in ("report.json", "doors.csv", "prove/"):
        assert client.get(f"{CASES}{case.ref}/{address}").status_code == 403
    client.force_login(staff("auditor"))
    for address in ("report.json", "doors.csv"):
        assert client.get(f"{CASES}{case.ref}/{address}").status_code == 200
    assert client.get(f"{CASES}{case.ref}/prove/").status_code == 403


@pytest.mark.parametrize("role", ["incident_responder", "auditor"])
def test_what_is_still_to_do_stands_on_the_page_until_it_is_done(client, who, role):
    key, _token = make_live_key()
    case = killed(who, key)
    client.force_login(staff(role))
    page = f"{CASES}{case.ref}/change/"
    assert "Mails still to leave : 1" in words(client.get(page))
    left = client.get(page).context["to_do"]
    assert [each.count for each in left] == [1, 1]
    for each in left:
        here, _hash, part = each.address.partition("#")
        assert (client.get(here).status_code, f'id="{part}"' in client.get(here).text) == (
            200,
            True,
        )
    OutgoingMail.objects.update(sent_at=timezone.now())
    services.revoke_grant(grant_id=key.grant_id, reason="key_leaked", by=who)
    assert "Still to do Nothing is left to do." in words(client.get(page))


def test_responders_are_reminded_to_drill_until_one_has_been_gone_through(desk, who):
    assert "Never drilled." in desk.get("/admin/").text
    key, _token = make_live_key(kind="test")
    case = killed(who, key, rehearsal=True)
    assert "drill" not in desk.get("/admin/").text.lower()
    long_ago = timezone.now() - timedelta(days=31)
    Revocation.objects.filter(pk=case.pk).update(completed_at=long_ago)
    assert "The last drill was 31 days ago." in desk.get("/admin/").text
    desk.force_login(staff("auditor"))
    assert "drill" not in desk.get("/admin/").text.lower()


def test_who_was_quicker_than_the_case_is_told_apart(desk, who):
    """A holder, with another key in its place or without; a colleague; nobody."""
    rotated, own, staffs, left = keys = [make_live_key()[0] for _ in range(4)]
    expired, _token = make_live_key()
    selector = Selector(kids=" ".join(key.kid for key in [*keys, expired]))
    case = services.preview_revocation(selector=selector, reason="incident", note="", by=who)
    services.rotate_credential(kid=rotated.kid, by=rotated.grant.holder, overlap=timedelta(0))
    services.revoke_credential(kid=own.kid, reason="key_leaked", by=own.grant.holder)
    services.revoke_credential(kid=staffs.kid, reason="misuse", by=staff("incident_responder"))
    type(expired).objects.filter(pk=expired.pk).update(status="expired")
    typed = {"typed_count": "5", "typed_word": services.word_of(case.digest)}
    services.start_revocation(revocation_id=case.pk, digest=case.digest, by=who, **typed)
    exported = b"".join(desk.get(f"{CASES}{case.ref}/keys.csv").streaming_content).decode()
    told = {
        line["kid"]: (line["outcome"], line["quicker"])
        for line in csv.DictReader(exported.splitlines())
    }
    assert told == {
        rotated.kid: ("skipped", "partner"),
        own.kid: ("skipped", "partner"),
        staffs.kid: ("skipped", "staff"),
        left.kid: ("pending", ""),
        expired.kid: ("skipped", ""),
    }
    page = desk.get(f"{CASES}{case.ref}/change/").text
    assert page.count("Its holder was quicker") == 2
    assert page.count("A colleague was quicker") == 1


@pytest.mark.parametrize("role", ["incident_responder", "auditor"])
def test_mails_that_have_not_left_are_listed_with_why(client, who, role):
    key, _token = make_live_key()
    case = killed(who, key)
    mail = OutgoingMail.objects.get(case=case.ref)
    client.force_login(staff(role))
    page = f"{CASES}{case.ref}/change/"
    assert "Mails that have not left" not in client.get(page).text
    now = timezone.now()
    OutgoingMail.objects.update(attempts=5, dead_at=now, last_error="UnicodeError")
    listed = words(client.get(page))
    assert "Mails sent 0 of 1 Mails given up 1" in listed
    assert f"{mail.ref} {mail.to} Given up 5 UnicodeError" in listed
    linked = f"/admin/mail/outgoingmail/{mail.ref}/change/" in client.get(page).text
    assert linked == (client.get(f"/admin/mail/outgoingmail/{mail.ref}/change/").status_code == 200)
    OutgoingMail.objects.update(sent_at=now, dead_at=None)
    assert "Mails sent 1 of 1" in words(client.get(page))
