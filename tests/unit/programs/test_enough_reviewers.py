"""How few reviewers a phase may ask for."""

from importlib import import_module

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from portal.audit.selectors import timeline
from portal.programs.models import RolloutPhase
from tests.factories.programs import RolloutPhaseFactory
from tests.factories.stories import again

pytestmark = pytest.mark.django_db
TOO_FEW = {"reviewers_standard": 0, "reviewers_elevated": 1, "reviewers_critical": 1}
ENOUGH = {"reviewers_standard": 1, "reviewers_elevated": 2, "reviewers_critical": 2}


@pytest.mark.parametrize("name", list(TOO_FEW))
def test_fewer_are_refused_with_how_many_it_takes_and_by_the_database_too(name):
    phase = RolloutPhaseFactory(**ENOUGH)
    setattr(phase, name, TOO_FEW[name])
    with pytest.raises(ValidationError) as refused:
        phase.full_clean()
    (told,) = refused.value.message_dict[name]
    assert told.endswith(f"Give {ENOUGH[name]} or more.")
    with pytest.raises(IntegrityError), transaction.atomic():
        phase.save()


def test_phases_that_asked_for_fewer_ask_for_enough_and_the_log_says_what_they_did():
    few, fewer, enough = (RolloutPhaseFactory() for _ in range(3))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE programs_rolloutphase DROP CONSTRAINT phase_enough_reviewers")
    RolloutPhase.objects.filter(pk=few.pk).update(reviewers_elevated=1, reviewers_critical=5)
    RolloutPhase.objects.filter(pk=fewer.pk).update(**TOO_FEW)
    with connection.cursor() as cursor:
        cursor.execute(import_module("portal.programs.migrations.0003_enough_reviewers").RAISE)
    assert [again(few).reviewers_elevated, again(few).reviewers_critical] == [2, 5]
    assert {name: getattr(again(fewer), name) for name in ENOUGH} == ENOUGH
    (event,) = timeline(few.ref)
    assert (event.kind, event.actor) == ("phase.saved", "system:migration")
    assert event.payload == {"reviewers_elevated": 2, "reviewers_elevated_was": 1}
    (event,) = timeline(fewer.ref)
    assert event.payload == ENOUGH | {f"{name}_was": few for name, few in TOO_FEW.items()}
    assert not timeline(enough.ref)
