"""Staff preview a case of revocation, confirm it, follow it and read its report."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.audit.models import Event
from portal.credentials import services
from portal.credentials.models import Revocation
from portal.credentials.targets import Selector
from portal.credentials.verification import explain, verify
from portal.mail.models import OutgoingMail
from portal.mail.services import deliver_mail
from tests.edges.cases import CASES, at, confirming, make_key, previewed, statuses
from tests.edges.test_accounts_sign_in import words
from tests.factories.accounts import OrganizationFactory, make_fresh
from tests.factories.cases import let_pass
from tests.factories.credentials import CredentialFactory, make_live_key
from tests.factories.programs import CapabilityFactory
from tests.factories.reviews import staff as in_role
from tests.factories.stories import again

pytestmark = pytest.mark.django_db


# --- Preview, confirm, follow, report ---------------------------------------------------------
def test_the_preview_says_who_is_hit_and_what_will_happen(desk, phase, keys, who):
    CredentialFactory(grant__application__phase=phase)
    case = previewed(phase, who)
    response = desk.get(at(case))
    assert response.context["numbers"] == [
        ("keys in all", 4),
        ("in use", 3),
        ("used in the last hour", 0),
        ("not claimed yet", 1),
        ("holders", 4),
    ]
    figures = response.context["figures"]
    assert figures.by_organization == [("Individuals", 2), ("Polar Institute", 2)]
    assert figures.by_phase == [(f"{phase.release}: Early partners", 4)]
    assert figures.by_capability == [("model:infer", 4)]
    assert figures.highest == "elevated"
    for shown in (case.digest, "Valid for 15 minutes more", "4 mails go out", keys[0].kid):
        assert shown in " ".join(re.sub(r"<[^>]+>", "", response.text).split())
    assert response["Cache-Control"].find("no-store") >= 0


def test_in_the_list_a_case_without_a_title_is_called_by_what_chose_its_keys(desk, phase, who):
    make_key(phase, None)
    case = previewed(phase, who)

    def cell():
        return re.search(r'<td class="field-chosen_by">(.*?)</td>', desk.get(CASES).text)[1]

    chosen = f"Phase: {phase}"
    assert cell() == chosen
    Revocation.objects.filter(pk=case.pk).update(title="Dump")
    assert cell() == f'Dump<br><span class="soft">{chosen}</span>'


def test_confirming_kills_at_once_with_no_worker_awake(desk, phase, who):
    _key, token = make_live_key(grant__application__phase=phase)
    case = previewed(phase, who)
    response = desk.post(at(case, "confirm"), confirming(case))
    assert (response.status_code, response["Location"]) == (302, at(case))
    said = verify(token, audience=phase.release.audience, scope=None)
    assert said.verdict.code == "key_revoked"
    page = desk.get(at(case)).text
    assert "Telling partners" in page
    assert f'hx-get="{at(case, "progress")}?seen=running"' in page
    services.finish_revocation(revocation_id=case.pk, by=who)
    assert desk.get(at(case, "progress"), {"seen": "running"})["HX-Refresh"] == "true"
    progress = desk.get(at(case, "progress"), {"seen": "completed"})
    assert "HX-Refresh" not in progress
    assert "Revoked; mails are leaving: 0 of 1" in progress.text
    assert "very partner told" not in desk.get(at(case)).text
    assert deliver_mail(mail_id=OutgoingMail.objects.get(case=case.ref).pk)
    progress = desk.get(at(case, "progress"), {"seen": "completed"})
    assert (progress["HX-Refresh"], "Every partner has been told" in progress.text) == (
        "true",
        True,
    )
    report = desk.get(at(case)).text
    assert "hx-get" not in report
    for shown in ("Revoked, and every partner told", str(who), "Seen in a dump.", "Security inc"):
        assert shown in report


@pytest.mark.parametrize("typed", ["", "2", "three", "33", "-3"])
def test_a_wrong_count_revokes_nothing_and_keeps_what_was_typed(desk, phase, keys, who, typed):
    case = previewed(phase, who)
    response = desk.post(at(case, "confirm"), confirming(case, typed_count=typed))
    assert response.status_code == 400
    asked_for = "3" if typed else "the number of keys"
    assert f"Nothing was revoked. Type {asked_for} to confirm." in response.text
    assert response.context["form"]["typed_count"].value() == typed
    assert statuses() == {"active"}
    assert again(case).status == "previewed"


def test_another_digest_revokes_nothing_and_the_next_try_is_bound_to_this_page(
    desk, phase, keys, who
):
    case = previewed(phase, who)
    response = desk.post(at(case, "confirm"), confirming(case, digest="0" * 64))
    assert (response.status_code, statuses()) == (409, {"active"})
    assert response.context["form"]["digest"].value() == case.digest
    assert desk.post(at(case, "confirm"), {"typed_count": "3"}).status_code == 400
    assert statuses() == {"active"}


def test_an_old_preview_cannot_be_confirmed_but_made_again(desk, phase, keys, who):
    case = previewed(phase, who)
    Revocation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    response = desk.post(at(case, "confirm"), confirming(case))
    assert (response.status_code, statuses()) == (410, {"active"})
    assert "too old to confirm" in response.text
    assert f"{CASES}add/?again={case.ref}" in response.text
    assert "typed_count" not in desk.get(at(case)).text


def test_a_case_is_confirmed_once(desk, phase, keys, who):
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    response = desk.post(at(case, "confirm"), confirming(case))
    assert response.status_code == 409
    assert "has moved on" in response.text
    assert Event.objects.filter(kind="credential.revoked").count() == 3
    assert Event.objects.filter(kind="revocation.confirmed").count() == 1


def test_cancelling(desk, phase, keys, who):
    case = previewed(phase, who)
    assert "Nothing was revoked" in desk.get(at(case, "cancel")).text
    desk.post(at(case, "cancel"))
    assert (again(case).status, statuses()) == ("cancelled", {"active"})
    assert desk.post(at(case, "confirm"), confirming(case)).status_code == 409
    assert "none revoked" in desk.get(at(case)).text
    other = previewed(phase, who)
    desk.post(at(other, "confirm"), confirming(other))
    told = desk.post(at(other, "cancel"), follow=True).text
    assert "has been decided already" in told


def test_failures_are_shown_with_what_they_failed_with(desk, phase, keys, who):
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    case.parties.create(
        holder=keys[2].grant.holder, status="failed", attempts=3, last_error="OSErrorOfMail"
    )
    page = desk.get(at(case, "progress"))
    assert (page.context["headway"].told, page.context["headway"].parties) == (0, 1)
    assert "OSErrorOfMail" in page.text


def test_in_the_middle_of_a_run_the_page_tells_its_rate_and_the_time_left(
    desk, phase, keys, who, settings
):
    settings.REVOCATION_CHUNK = 1
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    let_pass(timedelta(minutes=1))
    page = desk.get(at(case, "progress"), {"seen": "running"})
    assert words(page).startswith("Marking keys Keys marked dead 1 of 3")
    assert "Of late 1.0 keys a minute Left, at this rate about 2 minutes" in words(page)
    assert '<progress id="told" value="1" max="3">' in page.text
    assert f'hx-get="{at(case, "progress")}?seen=running"' in page.text


def test_before_a_partner_is_found_no_page_counts_out_of_none(desk, phase, keys, who):
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    page = words(desk.get(at(case)))
    assert "Telling partners Keys marked dead 3 of 3" in page
    assert "Partners whose mails are queued none so far Mails sent none so far" in page
    assert "0 of 0" not in page
    services.finish_revocation(revocation_id=case.pk, by=who)
    assert "Mails sent 0 of 3" in words(desk.get(at(case)))
    # Nobody is left whom a mail could reach.
    OutgoingMail.objects.all().delete()
    page = words(desk.get(at(case)))
    assert "been told Partners whose mails are queued 2 of 2" in page
    assert "Mails sent none Proof" in page
    assert "0 of 0" not in page


def test_the_file_holds_one_line_a_key_and_no_formula(desk, phase, who):
    evil = OrganizationFactory(name="=HYPERLINK(1)")
    keys = [make_key(phase, evil), make_key(phase, None)]
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    response = desk.get(f"{CASES}{case.ref}/keys.csv")
    assert response["Content-Disposition"] == f'attachment; filename="{case.ref}.csv"'
    lines = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    assert [line["kid"] for line in lines] == [key.kid for key in keys]
    assert [line["organization"] for line in lines] == ["'=HYPERLINK(1)", ""]
    assert {line["key_status"] for line in lines} == {"revoked"}
    assert {line["outcome"] for line in lines} == {"pending"}


def test_cases_are_found_by_reference_title_and_a_key_in_them(desk, phase, keys, who):
    case, other = previewed(phase, who), None
    stranger = make_live_key()[0]
    other = services.preview_revocation(
        selector=Selector(kids=stranger.kid),
        title="Keys in the dump of 12 May",
        reason="incident",
        note="",
        by=who,
    )
    for text, expected in (
        (keys[0].kid, case),
        (case.ref.lower(), case),
        (stranger.kid, other),
        ("the Dump", other),
    ):
        page = desk.post(f"{CASES}find/", {"q": text}, follow=True)
        assert [row.ref for row in page.context["cl"].result_list] == [expected.ref]


def test_pages_of_a_case_cost_the_same_however_many_keys(
    desk, phase, who, django_assert_num_queries, django_assert_max_num_queries
):
    def pages():
        case = previewed(phase, who)
        with django_assert_max_num_queries(45) as seen:
            desk.get(at(case))
        with django_assert_max_num_queries(60) as confirmed:
            desk.post(at(case, "confirm"), confirming(case))
        with django_assert_max_num_queries(55) as followed:
            desk.get(at(case))
        return len(seen), len(confirmed), len(followed)

    for partner in (None, OrganizationFactory()):
        make_key(phase, partner)
    desk.get(CASES)
    first = pages()
    for _ in range(12):
        make_key(phase, OrganizationFactory())
    assert pages() == first


def test_a_stale_sign_in_is_asked_for_again_before_anything_dies(client, phase, keys, who):
    client.force_login(who)
    case = previewed(phase, who)
    page = client.get(at(case)).text
    assert f"/accounts/reauthenticate/?next={at(case)}" in page
    assert "typed_count" not in page
    answer = client.post(at(case, "confirm"), confirming(case))
    assert (answer.status_code, statuses()) == (302, {"active"})
    assert answer["Location"].startswith("/accounts/reauthenticate/")


def test_a_wrong_word_revokes_nothing(desk, phase, keys, who):
    case = previewed(phase, who)
    response = desk.post(at(case, "confirm"), confirming(case, typed_word="please"))
    assert (response.status_code, statuses()) == (400, {"active"})
    assert f"Type “{services.word_of(case.digest)}” to confirm." in response.text


def test_two_people_confirm_what_reaches_a_critical_capability(desk, client, phase, who):
    scope = CapabilityFactory(release=phase.release, scope="bio:plan", tier="critical").scope
    make_live_key(grant__application__phase=phase, grant__scopes=[scope], scopes=[scope])
    case = previewed(phase, who)
    assert "after you somebody else has to confirm" in desk.get(at(case)).text
    told = desk.post(at(case, "confirm"), confirming(case), follow=True).text
    assert "nothing is revoked yet" in told
    assert "has confirmed. Another incident responder has to confirm, too" in told
    assert desk.post(at(case, "approve"), confirming(case)).status_code == 403
    assert statuses() == {"active"}
    second = in_role("incident_responder")
    client.force_login(second)
    make_fresh(client, second)
    page = client.get(at(case)).text
    assert "approve/" in page
    assert f"<li>{who} has confirmed; you are the second of the two.</li>" in page
    assert client.post(at(case, "approve"), confirming(case)).status_code == 302
    assert (statuses(), again(case).confirmed_by) == ({"revoked"}, second)


def test_contained_first_and_let_go_by_somebody_else(desk, client, phase, keys, who):
    case = previewed(phase, who)
    assert "refuses exactly these 3 keys" in words(desk.get(at(case, "contain")))
    one = services.preview_revocation(
        selector=Selector(kids=keys[0].kid), reason="incident", note="", by=who
    )
    assert "refuses exactly this key from the moment" in words(desk.get(at(one, "contain")))
    page = desk.post(at(case, "contain"), follow=True).text
    assert "3 keys contained: refused, not revoked" in page
    assert [explain(key.kid).code for key in keys] == ["frozen_case"] * 3
    refused = desk.post(at(case, "cancel"), follow=True).text
    assert "Letting them go takes somebody else." in refused
    client.force_login(in_role("incident_responder"))
    client.post(at(case, "cancel"))
    assert (again(case).status, bool(explain(keys[0].kid))) == ("cancelled", True)


def test_every_staff_page_tells_of_what_is_contained_until_somebody_decides(
    desk, client, phase, keys, who
):
    case = previewed(phase, who)
    banner, pages = "1 contained case waits for a decision.", ["/admin/", CASES, at(case)]
    assert [banner in desk.get(page).text for page in pages] == [False] * 3
    desk.post(at(case, "contain"))
    assert [banner in desk.get(page).text for page in pages] == [True] * 3
    link = f'<a href="{CASES}{case.ref}/change/">{case.ref}</a>'
    assert link in desk.get("/admin/").text
    client.force_login(in_role("reviewer"))
    shown = client.get("/admin/").text
    assert (banner in shown, case.ref in shown, link in shown) == (True, True, False)
    client.force_login(in_role("incident_responder"))
    client.post(at(case, "cancel"))
    assert again(case).status == "cancelled"
    assert banner not in client.get("/admin/").text


def test_many_contained_cases_are_counted_and_listed(desk, phase, keys, who):
    cases = [previewed(phase, who) for _ in range(4)]
    for case in cases:
        desk.post(at(case, "contain"))
    undecided = previewed(phase, who)
    page = desk.get("/admin/").text
    assert "4 contained cases wait for a decision." in page
    (all_of_them,) = re.findall(r'<a href="([^"]+)">All 4</a>', page)
    listed = set(
        re.findall(r"CASE-[0-9A-Z]{8}", desk.get(all_of_them).text.split("result_list")[1])
    )
    assert listed == {case.ref for case in cases}
    assert undecided.ref not in listed


def test_telling_is_paused_and_goes_on(desk, phase, keys, who):
    case = previewed(phase, who)
    desk.post(at(case, "confirm"), confirming(case))
    assert "Telling is paused" in desk.post(at(case, "pause"), follow=True).text
    services.finish_revocation(revocation_id=case.pk, by=who)
    assert again(case).status == "running"
    assert "Telling partners" in desk.post(at(case, "resume"), follow=True).text
    services.finish_revocation(revocation_id=case.pk, by=who)
    assert again(case).status == "completed"
