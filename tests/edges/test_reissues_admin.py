"""The pages of a re-issue: opened from its case, previewed, confirmed by one or two, followed."""

import csv
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials.models import Reissue
from tests.factories.accounts import OrganizationFactory, make_fresh
from tests.factories.cases import (
    confirmed_case,
    finish_reissue,
    finished_case,
    preview_reissue,
    reissued,
    start_reissue,
    typed,
)
from tests.factories.credentials import CredentialFactory, make_live_key
from tests.factories.programs import CapabilityFactory
from tests.factories.reviews import staff
from tests.factories.stories import again
from tests.queries import statements

pytestmark = pytest.mark.django_db
CASES, REISSUES = "/admin/credentials/revocation/", "/admin/credentials/reissue/"
SAFE = {"note": "The dump is gone."}


@pytest.fixture
def who():
    return staff("incident_responder")


def live(count=1, **given):
    return [make_live_key(**given)[0] for _ in range(count)]


def opened(desk, case, **given):
    return desk.post(f"{CASES}{case.ref}/reissue/", SAFE | given, follow=True)


def at(reissue, verb="change"):
    return f"{REISSUES}{reissue.ref}/{verb}/"


def test_from_the_case_to_the_report(desk, who):
    partner = OrganizationFactory(name="Polar Institute")
    key, spared = live(2, grant__organization=partner)
    other = live()[0]
    case = finished_case(who, key, spared, other)
    assert "Re-issue…" in desk.get(f"{CASES}{case.ref}/change/").text
    asked = desk.get(f"{CASES}{case.ref}/reissue/").text
    assert "Every partner (3)" in asked
    assert "Polar Institute (2)" in asked
    page = opened(desk, case, chosen=partner.ref, exclusions=f"{spared.kid} still missing")
    reissue = Reissue.objects.get()
    assert page.redirect_chain == [(at(reissue), 302)]
    assert "Re-issue 1 new key?" in page.text
    assert "still missing" in page.text
    done = desk.post(at(reissue, "confirm"), typed(reissue), follow=True)
    assert "workers now make the slots" in done.text
    assert "Making slots" in desk.get(at(reissue, "progress")).text
    finish_reissue(reissue)
    assert desk.get(at(reissue, "progress"))["HX-Refresh"] == "true"
    report = desk.get(at(reissue))
    assert "Re-issued, and every mail queued" in report.text
    assert "partner told" not in report.text
    assert dict(report.context["numbers"]) == {
        "slots made": 1,
        "claimed": 0,
        "cannot get one": 0,
        "left out": 1,
    }
    lines = b"".join(desk.get(f"{REISSUES}{reissue.ref}/grants.csv").streaming_content).decode()
    rows = {line["dead_kid"]: line["outcome"] for line in csv.DictReader(lines.splitlines())}
    assert rows == {key.kid: "told", spared.kid: "left_out"}
    assert reissue.ref in desk.get(f"{CASES}{case.ref}/change/").text
    assert reissue.ref in desk.get(REISSUES).text


def test_who_cannot_get_one_is_shown_with_the_reason(desk, who):
    key, holding = live(2)
    case = finished_case(who, key, holding)
    CredentialFactory(grant=holding.grant)
    page = opened(desk, case).text
    assert "Re-issue 1 new key?" in page
    assert page.count("The grant has a live key, or a slot to claim, already.") == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"note": ""}, "Say why it is safe"),
        ({"chosen": "ORG-NOBODY"}, "Select a valid choice"),
        ({"exclusions": "nonsense because"}, "Not among the keys of this choice"),
        ({"exclusions": "tpk_live_0000 because"}, "Not among the keys of this choice"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field_and_nothing_is_kept(desk, who, given, told):
    case = finished_case(who, *live())
    answer = opened(desk, case, **given)
    assert answer.status_code == 400
    assert told in answer.text
    assert not Reissue.objects.exists()


def test_a_whole_key_pasted_by_mistake_is_not_shown_back(desk, who):
    key, token = make_live_key()
    case = finished_case(who, key)
    secret = token.rpartition("_")[2]
    answer = opened(desk, case, exclusions=f"{token} because", note=f"{token} leaked")
    assert secret not in answer.text
    assert secret not in str(list(Reissue.objects.values()))


def test_a_case_that_has_not_run_says_so(desk, who):
    case = confirmed_case(who, *live())
    assert "New keys come after the case has run" in desk.get(f"{CASES}{case.ref}/change/").text
    led = desk.get(f"{CASES}{case.ref}/reissue/", follow=True)
    assert led.redirect_chain == [(f"{CASES}{case.ref}/change/", 302)]
    refused = opened(desk, case)
    assert refused.status_code == 403
    assert not Reissue.objects.exists()


def test_confirming_is_refused_beside_the_fields_and_keeps_what_was_typed(desk, who):
    reissue = preview_reissue(finished_case(who, *live(2)), who)
    answer = desk.post(at(reissue, "confirm"), typed(reissue) | {"typed_count": "7"})
    assert answer.status_code == 400
    assert "Nothing was re-issued. Type 2 to confirm." in answer.text
    assert 'value="7"' in answer.text
    assert desk.post(at(reissue, "confirm"), typed(reissue) | {"digest": "0"}).status_code == 409
    assert desk.get(at(reissue, "confirm"))["Location"] == at(reissue)
    Reissue.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    late = desk.post(at(reissue, "confirm"), typed(reissue))
    assert (late.status_code, again(reissue).status) == (410, "previewed")
    assert "too old to confirm" in late.text


def test_confirming_takes_a_fresh_sign_in(client, who):
    reissue = preview_reissue(finished_case(who, *live()), who)
    client.force_login(who)
    assert "Confirm that it is you" in client.get(at(reissue)).text
    answer = client.post(at(reissue, "confirm"), typed(reissue))
    assert (answer.status_code, again(reissue).status) == (302, "previewed")
    assert answer["Location"].startswith("/accounts/reauthenticate/")


def test_two_confirm_and_the_first_cannot_be_the_second(desk, client, who):
    key = live()[0]
    CapabilityFactory(scope="model:infer", tier="critical", release=key.grant.phase.release)
    other = staff("incident_responder")
    reissue = preview_reissue(finished_case(who, key, second=other), who)
    told = desk.post(at(reissue, "confirm"), typed(reissue), follow=True).text
    assert "It takes somebody else now" in told
    refused = desk.post(at(reissue, "approve"), typed(reissue))
    assert (refused.status_code, again(reissue).status) == (403, "awaiting_second")
    client.force_login(other)
    make_fresh(client, other)
    client.post(at(reissue, "approve"), typed(reissue))
    assert again(reissue).status == "running"


def test_putting_away(desk, who):
    reissue = preview_reissue(finished_case(who, *live()), who)
    assert "Put" in desk.get(at(reissue, "cancel")).text
    assert "put away" in desk.post(at(reissue, "cancel"), follow=True).text
    assert again(reissue).status == "cancelled"


@pytest.mark.parametrize("role", ["auditor", "programme_manager"])
def test_others_on_staff_look_and_do_nothing(client, who, role):
    case = finished_case(who, *live(2))
    reissue = preview_reissue(case, who)
    client.force_login(staff(role))
    page = client.get(at(reissue)).text
    assert "has looked at it and not decided yet" in page
    for url in (at(reissue, "confirm"), at(reissue, "approve"), at(reissue, "cancel")):
        assert client.post(url, typed(reissue)).status_code == 403
    assert client.post(f"{CASES}{case.ref}/reissue/", SAFE).status_code == 403
    assert (again(reissue).status, Reissue.objects.count()) == ("previewed", 1)


def test_reviewers_see_none_and_odd_addresses_are_not_found(client, desk, who):
    reissue = preview_reissue(finished_case(who, *live()), who)
    for odd in ("REI-NOTTHERE", "%00", "REI-%00", "a/b", "é"):
        for verb in ("change/", "progress/", "grants.csv", "confirm/"):
            assert desk.get(f"{REISSUES}{odd}/{verb}").status_code == 404
    client.force_login(staff("reviewer"))
    for url in (at(reissue), at(reissue, "progress"), REISSUES):
        assert client.get(url).status_code == 403


def test_the_page_costs_the_same_however_many_there_are(desk, who):
    few = preview_reissue(finished_case(who, *live(2)), who)
    many = preview_reissue(finished_case(who, *live(12)), who)
    assert statements(desk, at(few)) == statements(desk, at(many))


def test_it_is_found_by_its_reference_its_case_and_its_keys(desk, who):
    key = live()[0]
    reissue = reissued(finished_case(who, key), who)
    other = start_reissue(preview_reissue(finished_case(who, *live()), who), who)
    slot = key.grant.credentials.get(status="ready")
    for words in (reissue.ref.lower(), reissue.revocation.ref, key.kid, slot.kid):
        found = desk.post(f"{REISSUES}find/", {"q": words}, follow=True).text
        assert (reissue.ref in found, other.ref in found) == (True, False)
