"""What the database refuses: what is taken is told of, a fault of ours is not hidden as that."""

import pytest
from django.db import IntegrityError, transaction

from accounts.services import create_organization
from portal.errors import Conflict
from portal.programs.services import save_setting
from tests.factories.accounts import UserFactory
from tests.factories.gateway import make_gateway
from tests.factories.programs import (
    CapabilityFactory,
    ModelReleaseFactory,
    QuestionFactory,
    RolloutPhaseFactory,
)
from tests.factories.stories import again, manager

pytestmark = pytest.mark.django_db


def two_of(make):
    release = ModelReleaseFactory()
    phase = RolloutPhaseFactory(release=release)
    within = {CapabilityFactory: {"release": release}, RolloutPhaseFactory: {"release": release}}
    within |= {QuestionFactory: {"phase": phase}, ModelReleaseFactory: {}}
    apart = {"scope": "model:tune"} if make is CapabilityFactory else {}
    return make(**within[make]), make(**within[make], **apart)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (ModelReleaseFactory, "slug"),
        (ModelReleaseFactory, "audience"),
        (CapabilityFactory, "scope"),
        (RolloutPhaseFactory, "order"),
        (QuestionFactory, "key"),
    ],
)
def test_whoever_comes_a_moment_later_hears_that_it_is_taken(make, name):
    first, second = two_of(make)
    setattr(second, name, getattr(first, name))
    with pytest.raises(Conflict) as refused:
        save_setting(setting=second, by=manager())
    assert refused.value.code == "place_taken"
    assert getattr(again(second), name) != getattr(first, name)


@pytest.mark.parametrize(
    ("make", "wrong", "rule"),
    [
        (RolloutPhaseFactory, {"reviewers_critical": 0}, "phase_enough_reviewers"),
        (QuestionFactory, {"condition_key": "other"}, "question_condition_pair"),
        (CapabilityFactory, {"scope": "Everything"}, "capability_scope_shape"),
    ],
)
def test_what_no_form_lets_through_is_not_called_taken(make, wrong, rule):
    setting, _other = two_of(make)
    for name, value in wrong.items():
        setattr(setting, name, value)
    with pytest.raises(IntegrityError, match=rule), transaction.atomic():
        save_setting(setting=setting, by=manager())


def test_nor_is_a_partner_or_a_gateway_that_lacks_something():
    with pytest.raises(IntegrityError, match="null"), transaction.atomic():
        create_organization(name="Acme", website=None, by=UserFactory())
    release = ModelReleaseFactory()
    with pytest.raises(IntegrityError, match="null"), transaction.atomic():
        make_gateway(release, sandbox=None)
