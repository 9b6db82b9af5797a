"""A case that is contained, waits for a second person, or has run out: true words, and a way on."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.credentials import services
from portal.credentials.models import Credential, Revocation
from portal.credentials.targets import Selector
from portal.credentials.verification import explain
from portal.request_id import FROM_A_SHELL, request_id
from tests.edges.test_accounts_sign_in import words
from tests.factories.accounts import make_fresh
from tests.factories.credentials import make_live_key
from tests.factories.programs import CapabilityFactory, RolloutPhaseFactory
from tests.factories.reviews import staff
from tests.factories.stories import again

pytestmark = pytest.mark.django_db
CASES = "/admin/credentials/revocation/"
WHY = "Every key of the phase stands in the dump of this morning."


@pytest.fixture
def sign_in(client):
    """As somebody who has just proved who they are."""

    def sign(person):
        client.force_login(person)
        make_fresh(client, person)
        return client

    return sign


@pytest.fixture
def first():
    return staff("incident_responder", name="Ines Duarte")


@pytest.fixture
def second():
    return staff("incident_responder")


@pytest.fixture
def critical_key():
    """What takes two to revoke."""
    phase = RolloutPhaseFactory()
    scope = CapabilityFactory(release=phase.release, scope="bio:plan", tier="critical").scope
    scopes = {"grant__scopes": [scope], "scopes": [scope]}
    return make_live_key(grant__application__phase=phase, **scopes)[0]


def preview(by, *keys):
    kids = " ".join(key.kid for key in keys)
    return services.preview_revocation(
        selector=Selector(kids=kids), reason="incident", note="", by=by
    )


def typed(case, **given):
    asked_for = {"typed_count": str(case.count), "typed_word": services.word_of(case.digest)}
    return {"digest": case.digest, **asked_for, **given}


def ask(case, by):
    return services.start_revocation(revocation_id=case.pk, by=by, **typed(case))


def contain(case, by):
    return services.contain_revocation(revocation_id=case.pk, by=by)


def run_out():
    Revocation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def at(case, verb="change"):
    return f"{CASES}{case.ref}/{verb}/"


def offered(client, case):
    """Which of these the case's page links to."""
    page = client.get(at(case)).text
    ways = ("contain", "cancel", "confirm", "approve")
    return {verb for verb in ways if f'"{at(case, verb)}"' in page}


# --- Contained, and the day is over -----------------------------------------------------------
def test_what_is_contained_can_be_let_go_from_its_page_when_its_day_is_over(sign_in, first, second):
    key = make_live_key()[0]
    case = contain(preview(first, key), first)
    run_out()
    desk = sign_in(first)
    page = words(desk.get(at(case)))
    assert "The day to confirm is over" in page
    assert "Every gateway goes on refusing these keys, and nothing was revoked." in page
    assert "15 minutes" not in page
    assert "Letting them go takes somebody else." in page
    assert (offered(desk, case), explain(key.kid).code) == (set(), "frozen_case")
    desk = sign_in(second)
    assert offered(desk, case) == {"cancel"}
    desk.post(at(case, "cancel"))
    assert (again(case).status, bool(explain(key.kid))) == ("cancelled", True)
    assert "The keys were refused for a while and let go." in words(desk.get(at(case)))


def test_what_was_contained_while_a_second_was_waited_for_can_be_let_go(
    sign_in, first, second, critical_key
):
    case = preview(first, critical_key)
    ask(case, first)
    contain(case, second)
    run_out()
    for person, ways in ((first, {"cancel"}), (second, set())):
        desk = sign_in(person)
        assert "The day to confirm is over" in words(desk.get(at(case)))
        assert offered(desk, case) == ways


# --- One has confirmed ------------------------------------------------------------------------
def test_who_confirmed_first_contains_meanwhile(sign_in, first, critical_key):
    case = ask(preview(first, critical_key), first)
    desk = sign_in(first)
    page = words(desk.get(at(case)))
    assert "Another incident responder has to confirm, too, within 60 minutes" in page
    assert offered(desk, case) == {"contain", "cancel"}
    shown = words(desk.post(at(case, "contain"), follow=True))
    assert "1 key contained: refused, not revoked" in shown
    assert "has to confirm, too, within 24 hours" in shown
    assert explain(critical_key.kid).code == "frozen_case"
    assert offered(desk, case) == set()  # it is for somebody else to let them go


def test_who_confirmed_first_puts_it_away(sign_in, first, critical_key):
    case = ask(preview(first, critical_key), first)
    desk = sign_in(first)
    desk.post(at(case, "cancel"))
    assert (again(case).status, again(critical_key).status) == ("cancelled", "active")


def test_an_hour_without_a_second_is_told_as_it_is(sign_in, first, second, critical_key):
    case = ask(preview(first, critical_key), first)
    run_out()
    for person in (first, second):
        desk = sign_in(person)
        page = words(desk.get(at(case)))
        assert "The hour for the second person is over" in page
        assert "15 minutes" not in page
        assert f"{CASES}add/?again={case.ref}" in desk.get(at(case)).text
    assert desk.post(at(case, "approve"), typed(case)).status_code == 410
    services.close_what_is_over(by=first)
    shown = words(desk.get(at(case)))
    assert "One person confirmed; the preview ran out before a second did." in shown


def test_auditors_are_offered_nothing(sign_in, first, critical_key):
    case = ask(preview(first, critical_key), first)
    auditor = sign_in(staff("auditor"))
    assert offered(auditor, case) == set()
    assert "add/?again=" not in auditor.get(at(case)).text


@pytest.mark.parametrize("shell", [True, False])
def test_the_second_is_told_where_the_first_could_be_anybody(
    sign_in, first, second, critical_key, shell
):
    case = contain_and_ask(first, critical_key, shell=shell)
    desk = sign_in(second)
    page = desk.get(at(case)).text
    assert ("Speak to the first person before you confirm" in page) == shell
    letting_go = desk.get(at(case, "cancel")).text
    assert ("Speak to Ines Duarte first." in letting_go) == shell


def contain_and_ask(by, key, *, shell):
    token = request_id.set(f"{FROM_A_SHELL}portal-0a1b2c3d" if shell else "")
    try:
        return ask(contain(preview(by, key), by), by)
    finally:
        request_id.reset(token)


# --- More than the cap ------------------------------------------------------------------------
@pytest.fixture
def lead():
    return staff("incident_lead")


def test_who_may_break_the_glass_says_why_so_many(sign_in, settings, first, lead):
    settings.REVOCATION_CAP = 1
    case = preview(first, *(make_live_key()[0] for _ in range(2)))
    desk = sign_in(first)
    refused = desk.post(at(case, "confirm"), typed(case, beyond_cap=WHY))
    assert refused.status_code == 403
    assert "These are more keys than one case may revoke." in refused.text
    desk = sign_in(lead)
    page = desk.get(at(case)).text
    assert "Why so many at once" in page
    assert "(optional)" not in page
    assert "They are more than the 1 that one case may revoke: an incident lead has to" in page
    for nothing in ({}, {"beyond_cap": " "}):
        silent = desk.post(at(case, "confirm"), typed(case, **nothing))
        assert silent.status_code == 400
        assert "Nothing was revoked. Say why so many keys have to die." in silent.text
    unsaid = desk.post(at(case, "confirm"), typed(case, beyond_cap="Many."))
    assert unsaid.status_code == 400
    assert "Say in a sentence why more than 1 keys have to die." in unsaid.text
    assert set(Credential.objects.values_list("status", flat=True)) == {"active"}
    desk.post(at(case, "confirm"), typed(case, beyond_cap=WHY))
    assert set(Credential.objects.values_list("status", flat=True)) == {"revoked"}
    assert again(case).beyond_cap == WHY
    assert WHY in desk.get(at(case)).text


def test_the_second_reads_why_so_many_and_is_not_asked(
    sign_in, settings, first, lead, critical_key
):
    settings.REVOCATION_CAP = 1
    case = preview(lead, critical_key, make_live_key()[0])
    sign_in(lead).post(at(case, "confirm"), typed(case, beyond_cap=WHY))
    desk = sign_in(first)
    page = desk.get(at(case)).text
    assert (WHY in page, "Why so many at once" in page) == (True, False)
    desk.post(at(case, "approve"), typed(case))
    assert (again(case).confirmed_by, again(case).beyond_cap) == (first, WHY)


def test_the_second_s_address_before_anybody_has_asked_revokes_nothing(
    sign_in, settings, first, lead
):
    settings.REVOCATION_CAP = 1
    case = preview(first, *(make_live_key()[0] for _ in range(2)))
    answer = sign_in(lead).post(at(case, "approve"), typed(case, beyond_cap=WHY))
    assert (answer.status_code, again(case).status) == (409, "previewed")
