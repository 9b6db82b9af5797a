"""Staff freeze access, ask to lift, lift and keep; every staff page says what is frozen."""

import re
from io import StringIO

import pytest
from django.core.management import call_command

from portal.credentials import services
from portal.credentials.models import Freeze
from tests.browser.watching import session_of
from tests.factories.accounts import (
    PASSWORD,
    OrganizationFactory,
    StaffFactory,
    UserFactory,
    sign_in,
)
from tests.factories.credentials import make_live_key
from tests.factories.freezes import TARGETS, place, responder
from tests.factories.reviews import staff
from tests.factories.stories import again

pytestmark = pytest.mark.django_db
FREEZES = "/admin/credentials/freeze/"
ADD = f"{FREEZES}add/"
WHY = {"reason": "Seen in a dump."}


@pytest.fixture
def who():
    return responder(name="Ines Duarte")


@pytest.fixture
def desk(who):
    return session_of(who)


@pytest.fixture
def key():
    return make_live_key(
        grant__application__organization=OrganizationFactory(name="Polar Institute")
    )[0]


def text_of(answer):
    words = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", words)


# --- Placing --------------------------------------------------------------------------------------
@pytest.mark.parametrize("level", TARGETS)
def test_from_choosing_to_the_freeze(desk, who, key, level):
    ref = TARGETS[level](key)
    target = f"&target={ref}" if ref else ""
    chosen = desk.post(ADD, {"level": level, "text": ref})
    assert (chosen.status_code, chosen.url) == (302, f"{ADD}?level={level}{target}")
    asked = desk.get(chosen.url)
    assert asked.context["stopped"].keys == 1
    assert "1 active key 1 person 1 organisation" in text_of(asked)
    assert Freeze.objects.count() == 0
    placed = desk.post(chosen.url, WHY)
    freeze = Freeze.objects.get()
    assert (placed.status_code, placed.url) == (302, f"{FREEZES}{freeze.ref}/change/")
    assert (freeze.level, freeze.target, freeze.placed_by) == (level, ref, who.ref)
    shown = text_of(desk.get(placed.url))
    assert "Seen in a dump." in shown
    assert "Access frozen" in shown
    assert "by Ines Duarte" in shown


def test_several_that_fit_are_offered(desk):
    people = [UserFactory(name=f"Ada {number}") for number in range(3)]
    found = desk.post(ADD, {"level": "person", "text": "ada"})
    assert [thing for thing, _url in found.context["found"]] == people
    links = [f"{ADD}?level=person&target={each.ref}" for each in people]
    assert [url for _thing, url in found.context["found"]] == links
    assert "The first" not in text_of(found)


def test_too_many_that_fit_are_cut_and_said_to_be(desk):
    for _ in range(21):
        UserFactory(name="Same")
    found = desk.post(ADD, {"level": "person", "text": "Same"})
    assert len(found.context["found"]) == 20
    assert "The first 20 are shown." in text_of(found)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({}, "What to freeze: Say what to freeze."),
        ({"level": "planet"}, "What to freeze: Select a valid choice."),
        ({"level": "person", "text": "nobody"}, "Which one: Nothing like this is known."),
    ],
)
def test_what_cannot_be_looked_for_is_told(desk, sent, told):
    answer = desk.post(ADD, sent)
    assert (answer.status_code, told in text_of(answer)) == (400, True)


@pytest.mark.parametrize("target", ["USR-AAAAAAAA", "x" * 300])
def test_an_address_that_names_nothing_leads_back(desk, target):
    answer = desk.get(ADD, {"level": "person", "target": target}, follow=True)
    assert answer.redirect_chain == [(ADD, 302)]
    assert "No person is known as" in text_of(answer)


def test_without_a_reason_nothing_is_frozen(desk, key):
    answer = desk.post(f"{ADD}?level=everything", {"reason": " "})
    told = "Reason: Nothing was frozen yet. Say why."
    assert (answer.status_code, told in text_of(answer)) == (400, True)
    assert Freeze.objects.count() == 0


def test_what_is_frozen_already_is_shown_and_stays_one(desk):
    freeze = place()
    asked = text_of(desk.get(f"{ADD}?level=everything"))
    assert f"{freeze.ref} has been in force since" in asked
    assert "Freeze now" not in asked
    assert desk.post(f"{ADD}?level=everything", WHY).url == f"{FREEZES}{freeze.ref}/change/"
    assert Freeze.objects.count() == 1


@pytest.mark.parametrize("role", ["reviewer", "decider", "programme_manager", "auditor"])
def test_others_cannot_freeze(role):
    desk = session_of(staff(role))
    sent = [desk.get(ADD), desk.post(ADD, {"level": "everything"})]
    sent += [desk.post(f"{ADD}?level=everything", WHY)]
    assert [answer.status_code for answer in sent] == [403] * 3
    assert Freeze.objects.count() == 0


PAGES = {
    "release": lambda key: f"/admin/programs/modelrelease/{key.grant.phase.release.ref}/change/",
    "phase": lambda key: f"/admin/programs/rolloutphase/{key.grant.phase.ref}/change/",
    "organization": lambda key: (
        f"/admin/accounts/organization/{key.grant.organization.ref}/change/"
    ),
    "person": lambda key: f"/admin/accounts/user/{key.grant.holder.ref}/change/",
}


@pytest.mark.parametrize("level", PAGES)
def test_the_button_on_the_page_of_what_can_be_frozen(desk, key, level):
    link = f'href="{ADD}?level={level}&amp;target={TARGETS[level](key)}"'
    assert desk.get(PAGES[level](key)).content.decode().count(link) == 1
    others = session_of(staff("programme_manager"))
    assert others.get(PAGES[level](key)).content.decode().count(link) == 0


# --- Lifting --------------------------------------------------------------------------------------
def act(desk, freeze, verb):
    page = f"{FREEZES}{freeze.ref}/{verb}/"
    asked = desk.get(page)
    return asked.status_code, desk.post(page, follow=True)


@pytest.mark.parametrize("shell", [True, False])
def test_who_lifts_is_told_that_a_shell_proves_little(desk, who, shell):
    freeze = place()
    if shell:
        call_command("freeze", "--lift", freeze.ref, "--by", who.email, stdout=StringIO())
    else:
        act(desk, freeze, "ask_to_lift")
    colleague = session_of(responder())
    page = text_of(colleague.get(f"{FREEZES}{freeze.ref}/lift/"))
    assert (f"Speak to {who} first." in page, "Ines Duarte asked to lift" in page) == (shell, True)


def test_ask_lift_and_keep_by_two_people(desk, who):
    freeze, colleague = place(), session_of(responder())
    status, asked = act(desk, freeze, "ask_to_lift")
    assert (status, f"Asked. {freeze.ref} stays in force" in text_of(asked)) == (200, True)
    assert again(freeze).lift_asked_by == who
    status, kept = act(colleague, freeze, "keep")
    assert (status, f"{freeze.ref} stays in force." in text_of(kept)) == (200, True)
    assert again(freeze).lift_asked_by is None
    act(desk, freeze, "ask_to_lift")
    status, lifted = act(colleague, freeze, "lift")
    assert (status, f"{freeze.ref} is lifted." in text_of(lifted)) == (200, True)
    assert again(freeze).lifted_at
    assert "Every door refuses" not in text_of(lifted)


def test_why_nothing_can_be_done_about_it_is_said_once_for_all(desk, who):
    freeze = place()
    services.ask_to_lift(freeze_id=freeze.pk, by=who)
    services.lift_freeze(freeze_id=freeze.pk, by=responder())
    text = text_of(desk.get(f"{FREEZES}{freeze.ref}/change/"))
    said = "Ask to lift… Lift… Keep frozen… It is lifted already."
    assert (said in text, text.count("It is lifted already.")) == (True, 1)


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("lift", "You asked to lift it, so a colleague must do it."),
        ("ask_to_lift", "You have asked already. A colleague must lift it."),
    ],
)
def test_the_same_person_is_refused_and_told_why(desk, who, verb, told):
    freeze = place()
    services.ask_to_lift(freeze_id=freeze.pk, by=who)
    status, answer = act(desk, freeze, verb)
    assert (status, told in text_of(answer), again(freeze).lifted_at) == (302, True, None)


@pytest.mark.parametrize("verb", ["lift", "keep"])
def test_what_nobody_asked_for_is_refused(desk, verb):
    freeze = place()
    assert act(desk, freeze, verb)[0] == 302
    assert again(freeze).lifted_at is None


@pytest.mark.parametrize("verb", ["ask_to_lift", "lift", "keep"])
@pytest.mark.parametrize("role", ["reviewer", "programme_manager", "auditor"])
def test_others_are_refused_each_act(role, verb):
    freeze, desk = place(), session_of(staff(role))
    page = f"{FREEZES}{freeze.ref}/{verb}/"
    assert [desk.get(page).status_code, desk.post(page).status_code] == [403, 403]


def test_lifting_asks_who_it_is_again(client):
    freeze = place()
    services.ask_to_lift(freeze_id=freeze.pk, by=responder())
    colleague = StaffFactory()
    colleague.groups.set(responder().groups.all())
    sign_in(client, colleague)
    page = f"{FREEZES}{freeze.ref}/lift/"
    again_at = f"/accounts/reauthenticate/?next={page.replace('/', '%2F')}"
    assert client.get(page).url == again_at
    assert client.post(page).status_code == 302
    assert again(freeze).lifted_at is None
    client.post(again_at, {"password": PASSWORD})
    assert client.get(page).status_code == 200
    client.post(page)
    assert again(freeze).lifted_by == colleague


# --- Looking --------------------------------------------------------------------------------------
def test_the_list_has_those_in_force_first(desk):
    first = place("person", UserFactory(name="Ada Lindqvist").ref)
    gone = place("organization", OrganizationFactory(name="Polar Institute").ref)
    services.ask_to_lift(freeze_id=gone.pk, by=responder())
    services.lift_freeze(freeze_id=gone.pk, by=responder())
    asked = place()
    services.ask_to_lift(freeze_id=asked.pk, by=responder())

    def shown(query=""):
        return list(desk.get(f"{FREEZES}{query}").context["cl"].result_list)

    assert shown() == [asked, first, gone]
    assert shown("?standing=in_force") == [asked, first]
    assert shown("?standing=lift_asked") == [asked]
    assert shown("?standing=lifted") == [gone]
    assert shown("?level=person") == [first]
    assert shown("?q=polar") == [gone]
    assert shown(f"?q={first.ref.lower()}") == [first]


@pytest.mark.parametrize(
    ("role", "status"), [("programme_manager", 200), ("auditor", 200), ("reviewer", 403)]
)
def test_who_may_look(role, status):
    freeze, desk = place(), session_of(staff(role))
    assert desk.get(FREEZES).status_code == status
    assert desk.get(f"{FREEZES}{freeze.ref}/change/").status_code == status


def test_the_banner_names_what_is_frozen_on_every_staff_page(desk, key):
    pages = ["/admin/", "/admin/credentials/grant/", "/admin/accounts/user/", ADD]
    pages += [f"/admin/credentials/credential/{key.kid}/revoke/"]
    banner = "1 freeze in force. Every door refuses what is named here."
    assert [banner in text_of(desk.get(page)) for page in pages] == [False] * 5
    freeze = place("organization", key.grant.organization.ref)
    for page in pages:
        shown = text_of(desk.get(page))
        assert shown.count(banner) == 1
        assert f"{freeze.ref}" in shown
    assert "Organisation: Polar Institute since" in shown


def test_the_banner_links_for_those_who_may_look_and_names_it_for_all(desk):
    freeze = place()
    link = f'href="{FREEZES}{freeze.ref}/change/"'
    reviewer = session_of(staff("reviewer")).get("/admin/").content.decode()
    assert (reviewer.count(link), reviewer.count(freeze.ref)) == (0, 1)
    assert desk.get("/admin/").content.decode().count(link) == 1


def test_the_banner_counts_what_it_does_not_name(desk):
    for _ in range(5):
        place("person", UserFactory().ref)
    assert "5 freezes in force." in text_of(desk.get("/admin/"))
    assert "All 5" in text_of(desk.get("/admin/"))
    assert "and 2 more" in text_of(session_of(staff("reviewer")).get("/admin/"))


# --- What partners read --------------------------------------------------------------------
@pytest.mark.parametrize("level", TARGETS)
def test_partners_read_that_it_is_paused_and_never_why(key, level):
    place(level, TARGETS[level](key), reason="Suspected misuse by Polar.")
    partner = session_of(key.grant.holder)
    for page in ("/access/", f"/access/check/?kid={key.kid}&scope=model:infer"):
        shown = text_of(partner.get(page))
        assert "The programme has paused" in shown
        assert "The same keys work again when the programme ends the pause." in shown
        words = shown.replace(f"frozen_{level}", "")  # the code that machines and support know
        assert re.findall("misuse|FRZ-|freeze|frozen", words, re.IGNORECASE) == []


def test_partners_see_no_banner(key):
    place()
    shown = session_of(key.grant.holder).get("/").content.decode()
    assert "Freezes in force" not in shown
