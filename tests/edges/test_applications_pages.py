"""The applicant's pages until it is sent: one way that works and the ways that are refused."""

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.applications.models import Application
from portal.programs.services import halt_phase, publish_agreement
from tests.factories import stories
from tests.factories.accounts import MembershipFactory, OrganizationFactory
from tests.factories.programs import (
    EVERY_KIND,
    QuestionFactory,
    RolloutPhaseFactory,
    ask_every_kind,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def address(name, application, *more):
    return reverse(f"applications:{name}", args=[application.ref, *more])


def typed(application, shown, **answers):
    return {"form.version": application.version, "form.shown": shown, **answers}


# --- Starting ---------------------------------------------------------------------------------


def test_starting_leads_to_the_task_list_and_twice_to_the_same(client, person):
    phase = stories.open_phase()
    assert f"phase={phase.ref}" in client.get("/apply/").content.decode()
    assert "Start application" in client.get(f"/apply/?phase={phase.ref}").content.decode()
    answer = client.post("/apply/", {"phase": phase.ref})
    application = Application.objects.get()
    assert application.applicant == person
    assert answer.url == address("detail", application)
    assert client.post("/apply/", {"phase": phase.ref}).url == answer.url
    again = client.get(f"/apply/?phase={phase.ref}").content.decode()
    assert f"Go to your application {application.ref}" in again


def test_signed_out_people_sign_in_and_come_back(client):
    phase = stories.open_phase()
    here = f"/apply/?phase={phase.ref}"
    assert f"/accounts/login/?next=%2Fapply%2F%3Fphase%3D{phase.ref}" in (
        client.get(here).content.decode()
    )
    answer = client.post("/apply/", {"phase": phase.ref})
    assert answer.url == f"/accounts/login/?next=/apply/%3Fphase%3D{phase.ref}"
    assert Application.objects.count() == 0


def test_nothing_is_started_in_a_phase_that_is_not_open(client, person):
    phase = stories.open_phase()
    halt_phase(phase_id=phase.pk, by=stories.manager())
    assert client.post("/apply/", {"phase": phase.ref}).status_code == 404
    assert client.post("/apply/", {"phase": "\0"}).status_code == 404
    assert "Nothing is open" in client.get("/apply/").content.decode()
    assert Application.objects.count() == 0


# --- Whose it is ------------------------------------------------------------------------------

PAGES = ["detail", "organization", "capabilities", "agreement", "check", "withdraw", "appeal"]


@pytest.mark.parametrize("name", PAGES)
def test_others_applications_do_not_exist(client, person, name):
    page = address(name, stories.draft())
    assert client.get(page).status_code == 404
    if name != "detail":
        assert client.post(page).status_code == 404


@pytest.mark.parametrize("ref", ["APP-99999999", "APP-%00999999", "app-7k3m9q"])
def test_what_is_no_reference_does_not_exist(client, person, ref):
    assert client.get(f"/applications/{ref}/").status_code == 404


@pytest.mark.parametrize("name", PAGES)
def test_strangers_are_sent_to_sign_in(client, name):
    page = address(name, stories.draft())
    assert client.get(page).url == f"/accounts/login/?next={page}"


def test_staff_read_applications_at_their_desk_not_here(client):
    client.force_login(stories.reviewer())
    assert client.get(address("detail", stories.submitted())).status_code == 404


# --- Filling in -------------------------------------------------------------------------------


@pytest.fixture
def started(client, person):
    phase = stories.open_phase()
    ask_every_kind(phase)
    return stories.draft(phase=phase, by=person)


def test_every_kind_of_question_is_shown_and_saved(client, started):
    page = address("section", started, 2)
    text = client.get(page).content.decode()
    for key in EVERY_KIND:
        assert f'name="{key}"' in text
    assert 'name="detail"' not in text
    shown = " ".join(EVERY_KIND)
    answer = client.post(page, typed(started, shown, **EVERY_KIND))
    assert answer.url == address("check", started)
    saved = stories.again(started)
    assert saved.answers == {"purpose": "Triage of alerts.", **EVERY_KIND, "number": 12}
    assert saved.version == started.version + 1


def test_what_a_question_says_is_text_and_never_markup(client, started):
    """Scripts are kept out by the CSP; an hx- attribute would act as whoever opens the page."""
    markup = '<b hx-get="/admin/" hx-trigger="load">'
    QuestionFactory(
        phase=started.phase,
        key="markup",
        section="Use",
        kind="choice",
        prompt=f"prompt {markup}",
        help=f"help {markup}",
        options=[f"option {markup}", "Other"],
    )
    page = client.get(address("section", started, 1)).text
    assert markup not in page
    for where in ("prompt", "help", "option"):
        assert f"{where} &lt;b hx-get=&quot;/admin/&quot; hx-trigger=&quot;load&quot;&gt;" in page


def test_half_a_page_is_saved_and_says_what_is_missing(client, started):
    page = address("section", started, 2)
    answer = client.post(page, typed(started, "short_text number", number="many"), follow=True)
    assert answer.redirect_chain == [(f"{page}?check", 302)]
    text = answer.content.decode()
    assert "Write a whole number, such as 12." in text
    assert 'value="many"' in text
    assert 'id="id_number_error"' in text
    assert stories.again(started).answers["number"] == "many"


def test_save_and_leave_goes_to_the_task_list(client, started):
    page = address("section", started, 2)
    answer = client.post(page, typed(started, "number", number="1", leave="1"))
    assert answer.url == address("detail", started)


def test_what_was_not_on_the_page_is_not_emptied(client, started):
    page = address("section", started, 2)
    client.post(page, typed(started, "number", number="5"))
    client.post(page, typed(stories.again(started), "short_text", short_text="x"))
    answers = stories.again(started).answers
    assert (answers["number"], answers["short_text"]) == (5, "x")


def test_autosave_answers_with_the_version_and_nothing_else(client, started):
    page = address("section", started, 2)
    answer = client.post(page, typed(started, "number", number="5"), headers=HTMX)
    text = " ".join(answer.content.decode().split())
    assert answer.status_code == 200
    assert f'name="form.version" value="{started.version + 1}"' in text
    assert "<html" not in text
    assert "slot-number" not in text  # it was on the page and is still asked


def test_autosave_brings_and_takes_questions_that_depend_on_an_answer(client, started):
    page = address("section", started, 2)
    yes = client.post(page, typed(started, "yes_no", yes_no="yes"), headers=HTMX).content.decode()
    assert '<div id="slot-detail" hx-swap-oob="true">' in yes
    assert 'name="detail"' in yes
    now = stories.again(started)
    no = client.post(page, typed(now, "yes_no detail", yes_no="no"), headers=HTMX).content.decode()
    assert '<div id="slot-detail" hx-swap-oob="true">' in no
    assert 'name="detail"' not in no


def test_without_script_a_new_question_is_pointed_out(client, started):
    page = address("section", started, 2)
    shown = " ".join(EVERY_KIND)
    answer = client.post(page, typed(started, shown, **EVERY_KIND | {"yes_no": "yes"}), follow=True)
    assert "raises another question" in answer.content.decode()
    assert 'name="detail"' in answer.content.decode()


def test_a_stale_tab_is_told_and_keeps_what_was_typed(client, started):
    page = address("section", started, 2)
    client.post(page, typed(started, "short_text", short_text="first tab"))
    late = typed(started, "short_text", short_text="second tab")
    assert client.post(page, late, headers=HTMX).status_code == 409
    answer = client.post(page, late)
    text = answer.content.decode()
    assert answer.status_code == 409
    assert 'value="second tab"' in text
    assert "first tab" in text
    assert stories.again(started).answers["short_text"] == "first tab"
    now = answer.context["version"]
    client.post(page, {**late, "form.version": now})
    assert stories.again(started).answers["short_text"] == "second tab"


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 40, "٣"])
def test_a_page_that_cannot_say_its_version_is_stale(client, started, version):
    page = address("section", started, 2)
    sent = {"form.version": version, "form.shown": "number", "number": "5"}
    assert client.post(page, sent).status_code == 409
    assert "number" not in stories.again(started).answers


def test_too_much_or_no_text_at_all_is_refused_and_kept_on_the_page(client, started):
    page = address("section", started, 2)
    for bad in ("x" * 200_001, "a\0b"):
        answer = client.post(page, typed(started, "short_text", short_text=bad))
        assert answer.status_code == 400
        assert "What you typed is still below" in answer.content.decode()
    assert stories.again(started).version == started.version


def test_autosave_of_somebody_signed_out_is_refused(client, started):
    client.logout()
    page = address("section", started, 2)
    assert client.post(page, typed(started, "number", number="5"), headers=HTMX).status_code == 401
    assert client.post(page, typed(started, "number", number="5")).status_code == 302
    assert stories.again(started).version == started.version


@pytest.mark.parametrize("number", [0, 3, 99])
def test_there_are_only_so_many_pages(client, started, number):
    assert client.get(address("section", started, number)).status_code == 404


def test_pages_are_not_kept_by_the_browser(client, started):
    for name, *more in (("section", 1), ("capabilities",), ("check",), ("detail",)):
        kept = client.get(address(name, started, *more))["Cache-Control"]
        assert "no-store" in kept


def test_capabilities_are_saved_and_say_who_must_agree(client, started):
    page = address("capabilities", started)
    text = client.get(page).content.decode()
    assert "2 reviewers, and another person who decides" in text
    client.post(page, {"form.version": started.version, "scopes": [stories.CRITICAL]})
    assert stories.again(started).scopes == [stories.CRITICAL]
    strange = {"form.version": started.version + 1, "scopes": ["root:everything"]}
    answer = client.post(page, strange)
    assert answer.status_code == 400
    assert stories.again(started).scopes == [stories.CRITICAL]
    quiet = {"form.version": started.version + 1, "scopes": []}
    assert client.post(page, quiet, headers=HTMX).status_code == 200
    assert stories.again(started).scopes == []


def test_one_applies_for_an_organisation_of_one_s_own(client, person, started):
    partner = MembershipFactory(user=person).organization
    page = address("organization", started)
    assert partner.name in client.get(page).content.decode()
    client.post(page, {"form.version": started.version, "organization": partner.ref})
    assert stories.again(started).organization == partner
    for ref in (OrganizationFactory().ref, f"\0{partner.name}", "ORG-99999999"):
        sent = {"form.version": started.version + 1, "organization": ref}
        assert client.post(page, sent).status_code == 400
    assert stories.again(started).organization == partner
    quiet = {"form.version": started.version + 1, "organization": ""}
    assert client.post(page, quiet, headers=HTMX).status_code == 200
    assert stories.again(started).organization is None


def test_the_terms_are_signed_by_name(client, person):
    phase = stories.open_phase()
    client.post("/apply/", {"phase": phase.ref})
    application = Application.objects.get()
    terms = phase.release.agreements.get()
    page = address("agreement", application)
    assert terms.sha256 in client.get(page).content.decode()
    client.post(page, {"signed_name": "A. Person", "sha256": terms.sha256})
    assert terms.signatures.get().user == person
    assert "Signed by A. Person" in client.get(page).content.decode()


def test_terms_that_changed_meanwhile_are_not_signed(client, person):
    phase = stories.open_phase()
    client.post("/apply/", {"phase": phase.ref})
    old = phase.release.agreements.get()
    new = publish_agreement(
        release_id=phase.release.pk, title="Terms", text="Be kinder.", by=stories.manager()
    )
    page = address("agreement", Application.objects.get())
    answer = client.post(page, {"signed_name": "A. Person", "sha256": old.sha256})
    assert answer.status_code == 409
    assert new.signatures.count() == 0


def test_where_there_are_no_terms_there_is_no_page_for_them(client, person):
    now = timezone.now()
    phase = RolloutPhaseFactory(release__published_at=now, opens_at=now)
    client.post("/apply/", {"phase": phase.ref})
    application = Application.objects.get()
    assert client.get(address("agreement", application)).status_code == 404
    tasks = client.get(address("detail", application)).context["tasks"]
    assert [task.title for task in tasks] == ["Who applies", "Capabilities"]


def test_the_task_list_counts_what_is_answered(client, started):
    client.post(address("section", started, 2), typed(started, "number", number="5"))
    tasks = client.get(address("detail", started)).context["tasks"]
    assert [(task.title, task.label) for task in tasks] == [
        ("Who applies", "Done"),
        ("Use", "Done"),
        ("Every kind", "1 of 8"),
        ("Capabilities", "Done"),
        ("Terms", "Signed"),
    ]
