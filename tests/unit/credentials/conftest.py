"""Where keys are revoked by many: a phase, and somebody who may."""

import pytest

from tests.factories.programs import RolloutPhaseFactory
from tests.factories.stories import responder


@pytest.fixture
def phase():
    return RolloutPhaseFactory()


@pytest.fixture
def by():
    return responder()
