"""Who looks, and at what, where several files say the same."""

import pytest

from tests.edges.cases import make_key
from tests.factories.accounts import (
    PASSWORD,
    OrganizationFactory,
    PersonFactory,
    UserFactory,
    make_fresh,
    sign_in,
)
from tests.factories.programs import CapabilityFactory, RolloutPhaseFactory
from tests.factories.reviews import staff as in_role


@pytest.fixture
def who():
    """Whom `desk` is signed in as; a file may name another."""
    return in_role("incident_responder")


@pytest.fixture
def desk(client, who):
    client.force_login(who)
    make_fresh(client, who)
    return client


@pytest.fixture
def phase():
    phase = RolloutPhaseFactory(name="Early partners")
    CapabilityFactory(release=phase.release, tier="elevated")
    return phase


@pytest.fixture
def keys(phase):
    """Three working keys of one phase; two of them of one partner."""
    partner = OrganizationFactory(name="Polar Institute")
    return [make_key(phase, partner), make_key(phase, partner), make_key(phase, None)]


@pytest.fixture
def person(client):
    """An applicant, signed in."""
    user = UserFactory()
    client.force_login(user)
    return user


@pytest.fixture
def fresh(client):
    """Signed in through the front door, and asked again a moment ago."""
    user = PersonFactory()
    sign_in(client, user)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return user
