"""Somebody else is quicker while a form of the programme is being saved: nothing typed is lost."""

import pytest
from django.contrib import admin
from django.db import connection

from portal.audit.models import Event
from portal.programs.models import AgreementVersion, Capability, ModelRelease, RolloutPhase
from portal.programs.services import publish_agreement
from tests.edges.test_programs_admin import (
    PHASES,
    RELEASES,
    TERMS,
    phase_data,
    question,
    release_data,
)
from tests.factories.programs import (
    AgreementVersionFactory,
    ModelReleaseFactory,
    RolloutPhaseFactory,
)
from tests.factories.reviews import staff
from tests.factories.stories import again, open_phase
from tests.faults.locks import held

pytestmark = pytest.mark.django_db
TAKEN = "Somebody has just taken this place or name. Nothing was saved: look again."


@pytest.fixture
def who():
    return staff("programme_manager")


@pytest.fixture
def meanwhile(monkeypatch):
    """meanwhile(MODEL, act): act happens once the form was found good and before it is saved."""

    def happens(model, act):
        edited = admin.site.get_model_admin(model)
        save_form = edited.save_form

        def later(*args, **kwargs):
            act()
            return save_form(*args, **kwargs)

        monkeypatch.setattr(edited, "save_form", later)

    return happens


def missing(answer, *words):
    return [each for each in words if each not in answer.text]


def saved():
    return Event.objects.filter(kind__regex=r"\.(saved|published|ceiling_set)$").count()


def test_a_release_whose_name_is_taken(desk, meanwhile):
    meanwhile(ModelRelease, lambda: ModelReleaseFactory(slug="halcyon"))
    capability = {"scope": "model:infer", "tier": "standard", "name": "Ask", "description": "Any."}
    inline = {f"capabilities-0-{name}": value for name, value in capability.items()}
    sent = release_data(summary="Typed with care.", **inline, **{"capabilities-TOTAL_FORMS": 1})
    answer = desk.post(f"{RELEASES}add/", sent)
    assert answer.status_code == 409
    assert (
        missing(answer, TAKEN, "Typed with care.", 'value="model:infer"', "Any.</textarea>") == []
    )
    assert (Capability.objects.count(), saved()) == (0, 0)


@pytest.mark.parametrize("new", [True, False])
def test_a_phase_whose_place_is_taken(desk, meanwhile, new):
    phase = open_phase(order=1)
    sent = phase_data(phase.release, *phase.capabilities.all(), order=2, name="Typed with care")
    page = f"{PHASES}add/"
    if new:
        sent |= question(0, prompt="Typed, too?") | {"questions-TOTAL_FORMS": 1}
    else:
        page = f"{PHASES}{phase.ref}/change/"
        sent |= question(0, id=phase.questions.get().pk, phase=phase.pk, prompt="Typed, too?")
        sent |= {"questions-TOTAL_FORMS": 1, "questions-INITIAL_FORMS": 1}
    meanwhile(RolloutPhase, lambda: RolloutPhaseFactory(release=phase.release, order=2))
    answer = desk.post(page, sent)
    assert answer.status_code == 409
    assert missing(answer, TAKEN, 'value="Typed with care"', "Typed, too?") == []
    assert (again(phase).order, saved()) == (1, 0)


def test_terms_that_somebody_publishes_word_for_word(desk, meanwhile, who):
    release = AgreementVersionFactory(text="Be good.").release
    told = {"title": "Typed with care", "text": "Be very good."}
    meanwhile(
        AgreementVersion,
        lambda: publish_agreement(release_id=release.pk, **told, by=who),
    )
    answer = desk.post(f"{TERMS}add/", {"release": release.pk, **told})
    assert answer.status_code == 409
    kept = ('value="Typed with care"', "Be very good.</textarea>")
    assert missing(answer, "Version 2 has exactly this text.", *kept) == []


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds(desk, meanwhile):
    phase = open_phase()

    def not_long():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")

    meanwhile(RolloutPhase, not_long)
    sent = phase_data(phase.release, *phase.capabilities.all(), name="Typed with care")
    with held(lambda: RolloutPhase.objects.select_for_update().get(pk=phase.pk)):
        answer = desk.post(f"{PHASES}{phase.ref}/change/", sent)
    assert answer.status_code == 503
    assert missing(answer, "Somebody else is changing", 'value="Typed with care"') == []
    assert saved() == 0


def test_a_fault_of_ours_stays_one(desk, meanwhile):
    def fault():
        raise ZeroDivisionError

    meanwhile(ModelRelease, fault)
    with pytest.raises(ZeroDivisionError):
        desk.post(f"{RELEASES}add/", release_data())
