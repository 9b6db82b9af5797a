"""Programme managers write a programme down, publish it, halt and resume its phases."""

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.utils import timezone

from portal.audit.selectors import timeline
from portal.credentials.verification import explain
from portal.errors import Conflict
from portal.programs.models import AgreementVersion, Capability, ModelRelease, RolloutPhase
from portal.programs.services import halt_phase, save_setting
from tests.factories.accounts import UserFactory
from tests.factories.credentials import make_live_key
from tests.factories.programs import (
    AgreementVersionFactory,
    CapabilityFactory,
    ModelReleaseFactory,
    RolloutPhaseFactory,
)
from tests.factories.reviews import staff
from tests.factories.stories import again, open_phase
from tests.log import events_about

pytestmark = pytest.mark.django_db
RELEASES, PHASES = "/admin/programs/modelrelease/", "/admin/programs/rolloutphase/"
TERMS = "/admin/programs/agreementversion/"
NO_INLINES = {
    f"{prefix}-{field}": value
    for prefix in ("capabilities", "questions")
    for field, value in (("TOTAL_FORMS", 0), ("INITIAL_FORMS", 0))
}


@pytest.fixture
def who():
    return staff("programme_manager")


def release_data(**given):
    return {
        **NO_INLINES,
        "name": "Halcyon",
        "slug": "halcyon",
        "summary": "A model.",
        "risk_statement": "It could be misused.",
        "audience": "https://halcyon.example.org",
        **given,
    }


def phase_data(release, *capabilities, **given):
    return {
        **NO_INLINES,
        "release": release.pk,
        "order": 1,
        "name": "Early partners",
        "audience": "Defenders",
        "capacity": 10,
        "review_days": 10,
        "capabilities": [each.pk for each in capabilities],
        "requests_per_minute": 60,
        "tokens_per_day": 1000,
        "max_grant_days": 90,
        "reviewers_standard": 1,
        "reviewers_elevated": 2,
        "reviewers_critical": 2,
        **given,
    }


def question(number, **given):
    told = {
        "order": number,
        "section": "Use",
        "prompt": "What for?",
        "key": f"question-{number}",
        "kind": "long_text",
        "required": "on",
        "max_length": 5000,
        **given,
    }
    return {f"questions-{number}-{name}": value for name, value in told.items()}


def kinds(ref):
    return [event.kind for event in reversed(timeline(ref))]


def test_writing_a_release_and_publishing_it(desk, who):
    capability = {"scope": "model:infer", "tier": "standard", "name": "Ask", "description": "Ask."}
    inline = {f"capabilities-0-{name}": value for name, value in capability.items()}
    desk.post(f"{RELEASES}add/", release_data(**inline, **{"capabilities-TOTAL_FORMS": 1}))
    release = ModelRelease.objects.get()
    assert (release.published_at, Capability.objects.get().release) == (None, release)
    page = desk.get(f"{RELEASES}{release.ref}/publish/").text
    for shown in ("model:infer", "None yet: nobody can apply without one", "nobody signs"):
        assert shown in page
    response = desk.post(f"{RELEASES}{release.ref}/publish/", follow=True)
    assert "This release is published already." in response.text
    assert again(release).published_at
    assert kinds(release.ref) == ["release.saved", "capability.saved", "release.published"]
    assert {event.actor for event in timeline(release.ref)} == {who.ref}


def test_writing_a_phase_is_all_in_the_log(desk):
    release = ModelReleaseFactory()
    one, two = (CapabilityFactory(release=release, scope=f"model:{n}") for n in ("one", "two"))
    asked = phase_data(release, one, **question(0), **{"questions-TOTAL_FORMS": 1})
    response = desk.post(f"{PHASES}add/", asked)
    phase = RolloutPhase.objects.get()
    assert response.status_code == 302
    assert list(phase.capabilities.all()) == [one]
    assert kinds(phase.ref) == ["phase.saved", "phase.ceiling_set", "question.saved"]
    saved = phase_data(release, one, two, capacity=12)
    del saved["release"]
    page = f"{PHASES}{phase.ref}/change/"
    number = phase.questions.get().pk
    saved |= question(0, id=number, phase=phase.pk, DELETE="on")
    saved |= {"questions-TOTAL_FORMS": 1, "questions-INITIAL_FORMS": 1}
    desk.post(page, saved)
    assert (again(phase).capacity, phase.capabilities.count()) == (12, 2)
    assert kinds(phase.ref)[3:] == ["phase.saved", "phase.ceiling_set", "question.removed"]


def test_a_phase_asks_for_two_reviewers_at_least_at_the_higher_tiers(desk):
    one = CapabilityFactory()
    asked = phase_data(one.release, one, reviewers_elevated=1, reviewers_critical=1, capacity=77)
    page = desk.post(f"{PHASES}add/", asked).text
    for tier in ("elevated", "critical"):
        told = f"Two reviewers have to agree at least at the {tier} tier. Give 2 or more."
        assert told in page
    assert 'value="77"' in page
    assert not RolloutPhase.objects.exists()


def test_a_ceiling_holds_only_the_release_s_own_capabilities(desk):
    release, other = ModelReleaseFactory(), CapabilityFactory()
    response = desk.post(f"{PHASES}add/", phase_data(release, other))
    assert f"Choose only capabilities of {release}." in response.text
    phase = RolloutPhaseFactory(release=release)
    page = desk.get(f"{PHASES}{phase.ref}/change/").text
    assert other.scope not in page.split("What it may give")[1].split("Limits of each grant")[0]
    response = desk.post(f"{PHASES}{phase.ref}/change/", phase_data(release, other))
    assert "is not one of the available choices" in response.text
    assert list(phase.capabilities.all()) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "choice", "options": "Only one"}, "Give at least two options, one a line."),
        ({"condition_key": "purpose"}, "Give both: the question"),
        ({"key": "two words"}, "valid"),
        ({"condition_key": "purpos", "condition_value": "yes"}, "No question with this key"),
        ({"condition_key": "question-0", "condition_value": "yes"}, "No question with this key"),
    ],
)
def test_a_question_that_cannot_be_asked_is_told(desk, given, told):
    release = ModelReleaseFactory()
    capability = CapabilityFactory(release=release)
    asked = question(0, **given) | {"questions-TOTAL_FORMS": 1}
    response = desk.post(f"{PHASES}add/", phase_data(release, capability, **asked))
    assert told in response.text
    assert not RolloutPhase.objects.exists()


@pytest.mark.parametrize("said", [61, 10**9])
def test_more_forms_than_anybody_fills_in_are_not_built(desk, said):
    release = ModelReleaseFactory()
    given = phase_data(release, CapabilityFactory(release=release))
    page = desk.post(f"{PHASES}add/", given | question(0) | {"questions-TOTAL_FORMS": said}).text
    assert "Please submit at most 60 forms." in page
    assert page.count('name="questions-') < 60 * 15
    assert not RolloutPhase.objects.exists()


def test_a_question_may_hang_on_one_before_it(desk):
    release = ModelReleaseFactory()
    capability = CapabilityFactory(release=release)
    hangs = {"condition_key": "question-0", "condition_value": "yes"}
    asked = question(0) | question(1, **hangs) | {"questions-TOTAL_FORMS": 2}
    desk.post(f"{PHASES}add/", phase_data(release, capability, **asked))
    hanging = RolloutPhase.objects.get().questions.get(key="question-1")
    assert (hanging.condition_key, hanging.condition_value) == ("question-0", "yes")


def test_a_row_to_fill_in_is_there_without_script(desk):
    release = ModelReleaseFactory()
    for page, field in (
        (f"{RELEASES}{release.ref}/change/", "capabilities-0-scope"),
        (f"{PHASES}add/", "questions-0-prompt"),
    ):
        assert f'name="{field}"' in desk.get(page).text


def test_two_phases_of_a_release_never_share_a_place(desk, who):
    phase = RolloutPhaseFactory(order=1)
    capability = CapabilityFactory(release=phase.release)
    other = RolloutPhaseFactory(release=phase.release, order=2, name="Second")
    moved = phase_data(phase.release, capability, order=1, name="Second")
    del moved["release"]
    told = desk.post(f"{PHASES}{other.ref}/change/", moved).text
    assert f"{phase.name} has this place already. Choose another." in told
    other.order = 1  # as somebody who looked a moment earlier
    with pytest.raises(Conflict) as refused:
        save_setting(setting=other, by=who)
    assert (refused.value.code, again(other).order) == ("place_taken", 2)


def test_options_are_one_a_line_and_may_hold_commas(desk):
    release = ModelReleaseFactory()
    capability = CapabilityFactory(release=release)
    asked = question(0, kind="choice", options="Yes, always\n\n No \n")
    asked |= {"questions-TOTAL_FORMS": 1}
    desk.post(f"{PHASES}add/", phase_data(release, capability, **asked))
    phase = RolloutPhase.objects.get()
    assert phase.questions.get().options == ["Yes, always", "No"]
    assert "Yes, always\nNo</textarea>" in desk.get(f"{PHASES}{phase.ref}/change/").text


def test_questions_stand_in_their_order(desk):
    phase = open_phase()
    for order, prompt in ((9, "Last?"), (0, "First?")):
        phase.questions.create(key=f"q{order}", section="Use", order=order, prompt=prompt)
    page = desk.get(f"{PHASES}{phase.ref}/change/")
    formset = page.context["inline_admin_formsets"][0].formset
    assert [form.instance.order for form in formset.initial_forms] == [0, 1, 9]


def test_halting_refuses_every_key_and_resuming_lets_them_through(client):
    client.force_login(staff("incident_responder"))
    key, _token = make_live_key()
    phase = key.grant.phase
    page = client.get(f"{PHASES}{phase.ref}/halt/").text
    assert f"?phase={phase.ref}&amp;status=live" in page
    client.post(f"{PHASES}{phase.ref}/halt/")
    assert explain(key.kid).code == "phase_halted"
    shown = client.get(f"{PHASES}{phase.ref}/change/").text
    assert "This phase is halted already." in shown
    assert "Halted" in client.get(PHASES).text
    assert "Halted on" in client.get(f"{PHASES}{phase.ref}/resume/").text
    client.post(f"{PHASES}{phase.ref}/resume/")
    assert explain(key.kid)
    assert [e.kind for e in events_about(phase.ref)] == ["phase.resumed", "phase.halted"]


def test_the_next_terms_begin_as_the_text_in_force(desk, who):
    old = AgreementVersionFactory(title="Terms", text="Be good.")
    release = old.release
    asked = desk.get(f"{RELEASES}{release.ref}/agreement/")
    page = desk.get(asked["Location"])
    for shown in ("Be good.</textarea>", "Everybody signs again", "Publish these terms"):
        assert shown in page.text
    told = {"release": release.pk, "title": "Terms"}
    same = desk.post(f"{TERMS}add/", {**told, "text": "Be good."})
    assert "Version 1 has exactly this text." in same.text
    assert "Be good.</textarea>" in same.text
    desk.post(f"{TERMS}add/", {**told, "text": "Be very good."})
    new = AgreementVersion.objects.get(number=2)
    assert (new.text, new.published_by) == ("Be very good.", who)
    assert desk.get(f"{TERMS}add/?of=REL-NOWHERE").status_code == 200
    shown = desk.get(f"{TERMS}{new.pk}/change/").text
    assert new.sha256 in shown
    assert "_save" not in shown


def test_a_page_opened_before_a_halt_does_not_undo_it_when_saved(desk, monkeypatch, who):
    phase = open_phase()
    posted = phase_data(phase.release, *phase.capabilities.all(), capacity=12)
    loaded = admin.site.get_model_admin(RolloutPhase)
    load = loaded.get_object

    def halted_meanwhile(*args, **kwargs):
        found = load(*args, **kwargs)
        halt_phase(phase_id=phase.pk, by=who)
        return found

    monkeypatch.setattr(loaded, "get_object", halted_meanwhile)
    asked = question(0, id=phase.questions.get().pk, phase=phase.pk)
    posted |= {**asked, "questions-TOTAL_FORMS": 1, "questions-INITIAL_FORMS": 1}
    assert desk.post(f"{PHASES}{phase.ref}/change/", posted).status_code == 302
    phase.refresh_from_db()
    assert (phase.capacity, phase.halted_by) == (12, who)


def test_only_a_programme_is_written_through_forms_of_the_admin(rf):
    """Everything else has buttons: each a service, which locks the row and writes what it means."""
    request = rf.get("/admin/")
    request.user = UserFactory(is_superuser=True, is_staff=True)
    changed = {
        model
        for model, model_admin in admin.site._registry.items()
        if model_admin.has_change_permission(request) or model_admin.has_delete_permission(request)
    }
    assert changed == {ModelRelease, RolloutPhase}


@pytest.mark.parametrize("role", [None, "reviewer", "auditor"])
def test_others_publish_halt_and_resume_nothing(client, role):
    person = staff(role) if role else UserFactory(is_staff=True)
    client.force_login(person)
    phase = open_phase()
    pages = [f"{PHASES}{phase.ref}/{verb}/" for verb in ("halt", "resume")]
    pages += [f"{RELEASES}{phase.release.ref}/{verb}/" for verb in ("publish", "agreement")]
    pages += [f"{TERMS}add/", f"{PHASES}add/", f"{RELEASES}add/"]
    for page in pages:
        assert (page, client.get(page).status_code) == (page, 403)
        assert (page, client.post(page).status_code) == (page, 403)
    assert client.post(f"{PHASES}{phase.ref}/change/", {"capacity": 99}).status_code == 403
    assert again(phase).halted_at is None
    assert client.get(f"{PHASES}{phase.ref}/change/").status_code == (200 if role else 403)


def test_the_list_of_phases_says_what_the_public_reads(desk):
    now = timezone.now()
    release = ModelReleaseFactory(published_at=now)
    for order, opens in enumerate((now - timedelta(days=1), now + timedelta(days=1), None), 1):
        RolloutPhaseFactory(release=release, order=order, opens_at=opens)
    cells = re.findall(r'class="field-standing">(.*?)</td>', desk.get(PHASES).text, re.DOTALL)
    said = [re.sub(r"<[^>]+>", "", cell).strip() for cell in cells]
    assert said == ["Open", "Opens later", "Not open"]
