"""A list of keys as somebody was sent it: every line is answered, on the page and in a file."""

import csv
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from portal.credentials.models import Revocation, RevocationLine
from portal.credentials.services import revoke_credential
from tests.edges.test_accounts_sign_in import words
from tests.factories.credentials import make_live_key
from tests.factories.reviews import staff
from tests.factories.stories import responder

pytestmark = pytest.mark.django_db
CASES = "/admin/credentials/revocation/"
STRANGER = "Z" * 16
ASKED = {"title": "A dump", "severity": "high", "reason": "incident"}


@pytest.fixture
def desk(client):
    client.force_login(staff("incident_responder"))
    return client


@pytest.fixture
def keys():
    """Two that live, one that its holder revoked, and the text of a list that has more."""
    live, other, dead = (make_live_key()[0] for _ in range(3))
    revoke_credential(kid=dead.kid, reason="misuse", by=responder())
    return live, other, dead


def a_file(*lines):
    return SimpleUploadedFile("leak.csv", "\n".join(lines).encode())


def rows(response):
    text = b"".join(response.streaming_content).decode()
    return list(csv.reader(text.splitlines()))


def test_odd_lines_are_counted_and_the_first_of_them_named(desk, keys):
    live, other, dead = keys
    junk, foreign = [f"secret-{n}" for n in range(20)], [f"{n:016}" for n in range(1974)]
    lines = [live.kid, dead.kid, live.kid, other.kid, *junk, *foreign, STRANGER, live.kid]
    refused = desk.post(f"{CASES}add/", {**ASKED, "file": a_file(*lines)})
    assert refused.status_code == 200
    counts = "Hit 2 Dead already 1 Duplicate 2 Unknown 1,975 No key id 20"
    assert counts in words(refused)
    assert "Line 5: no key id" in words(refused)
    assert "and 1,945 more" in words(refused)
    assert not Revocation.objects.exists()


def test_a_hundred_thousand_lines_are_each_answered(desk, keys):
    live, other, dead = keys
    junk, foreign = [f"secret-{n}" for n in range(20)], [f"{n:016}" for n in range(99_974)]
    lines = [live.kid, dead.kid, live.kid, other.kid, *junk, *foreign, STRANGER, live.kid]
    assert len(lines) == 100_000
    counts = "Hit 2 Dead already 1 Duplicate 2 Unknown 99,975 No key id 20"

    asked = {**ASKED, "skip_odd": "on", "file": a_file(*lines)}
    page = desk.post(f"{CASES}add/", asked, follow=True)
    case = Revocation.objects.get()
    assert (case.count, counts in words(page)) == (2, True)
    first = words(desk.get(f"{CASES}{case.ref}/list/"))
    assert f"1 {live.kid} Hit 2 {dead.kid} Dead already 3 {live.kid} Duplicate" in first
    assert "1 to 100 of 100,000" in first
    last = words(desk.get(f"{CASES}{case.ref}/list/", {"page": "1000"}))
    assert f"99,999 {STRANGER} Unknown 100,000 {live.kid} Duplicate" in last
    written = rows(desk.get(f"{CASES}{case.ref}/list.csv"))
    assert len(written) == 100_001
    assert written[:6] == [
        ["line", "kid", "answer"],
        ["1", live.kid, "hit"],
        ["2", dead.kid, "dead already"],
        ["3", live.kid, "duplicate"],
        ["4", other.kid, "hit"],
        ["5", "", "no key id"],
    ]
    assert "secret-" not in page.text + first + str(written)


def test_each_line_is_answered_before_there_is_a_case(desk, keys):
    live, _other, dead = keys
    asked = {"kids": f"{live.kid}\nwhat?", "file": a_file("holder;kid", f"Ada;{dead.kid}")}
    assert rows(desk.post(f"{CASES}answers.csv", asked)) == [
        ["line", "kid", "answer"],
        ["1", live.kid, "hit"],
        ["2", "", "no key id"],
        ["4", dead.kid, "dead already"],
    ]
    assert not Revocation.objects.exists()
    nothing = desk.post(f"{CASES}answers.csv", {"kids": " "})
    assert (nothing.status_code, "to have each line answered" in nothing.text) == (400, True)
    assert (
        "This is not a text file"
        in desk.post(
            f"{CASES}answers.csv", {"file": SimpleUploadedFile("x.csv", b"\xff\xfe\x00")}
        ).text
    )
    assert desk.get(f"{CASES}answers.csv").status_code == 405


def test_what_is_left_alive_or_not_meant_is_answered_as_such(desk, keys):
    live, other, _dead = keys
    third, _token = make_live_key()
    asked = {**ASKED, "kids": f"{live.kid}\n{other.kid}\n{third.kid}"}
    asked["exclusions"] = f"{other.kid} Runs the night service."
    asked["phase"] = live.grant.phase.ref
    type(other.grant).objects.filter(pk=other.grant_id).update(phase=live.grant.phase)
    desk.post(f"{CASES}add/", asked)
    told = RevocationLine.objects.values_list("number", "kid", "answer")
    assert list(told) == [
        (1, live.kid, "hit"),
        (2, other.kid, "stays alive"),
        (3, third.kid, "not meant"),
    ]


def test_a_case_that_was_made_from_no_list_shows_none(desk, keys):
    desk.post(f"{CASES}add/", {**ASKED, "person": keys[0].grant.holder.ref})
    case = Revocation.objects.get()
    assert "The list" not in desk.get(f"{CASES}{case.ref}/change/").text
    assert rows(desk.get(f"{CASES}{case.ref}/list.csv")) == [["line", "kid", "answer"]]


def test_an_upload_stays_in_memory_and_one_that_is_too_large_is_refused(desk, keys, settings):
    """Where files may be laid down nothing can be."""
    settings.FILE_UPLOAD_TEMP_DIR = "/nonexistent"
    padding = [f"{keys[0].kid},{'x' * 60}"] * 60_000  # beyond what Django keeps in memory itself
    asked = {**ASKED, "skip_odd": "on", "file": a_file("kid,note", *padding)}
    assert desk.post(f"{CASES}add/", asked).status_code == 302
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
    asked["file"] = a_file("kid,note", *padding)
    refused = desk.post(f"{CASES}add/", asked)
    assert "The file is larger than 20 MB" in refused.text
    assert Revocation.objects.count() == 1


def test_more_text_than_a_form_takes_is_told_and_lost_on_nobody(desk):
    refused = desk.post(f"{CASES}add/", {**ASKED, "kids": "x" * 2_100_000})
    assert (refused.status_code, "may be larger as a file" in refused.text) == (413, True)


def test_lists_are_for_those_who_may_see_cases(client, keys):
    case = Revocation.objects.create(
        selector={}, reason="incident", requested_by=responder(), expires_at=later()
    )
    for role, seen in (("reviewer", 403), ("auditor", 200), ("incident_responder", 200)):
        client.force_login(staff(role))
        for page in ("list/", "list.csv"):
            assert client.get(f"{CASES}{case.ref}/{page}").status_code == seen, (role, page)
        asked = client.post(f"{CASES}answers.csv", {"kids": keys[0].kid})
        assert asked.status_code == (200 if role == "incident_responder" else 403)


def later():
    return timezone.now() + timedelta(minutes=15)
