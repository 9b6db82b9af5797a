import pytest
from portal_double import AUDIENCE, GATEWAY, SECRET, Clock, PortalDouble

from access_verifier import Settings, Verifier


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def portal(clock):
    double = PortalDouble(clock)
    yield double
    double.close()


@pytest.fixture
def make_verifier(portal, clock):
    """Make a verifier of this portal, with settings of its own; all are stopped at the end."""
    made = []

    def make(url=None, issuer=None, audience=AUDIENCE, **settings):
        settings = Settings(**{"timeout": 5.0, **settings})
        verifier = Verifier(
            url or portal.url,
            audience,
            GATEWAY,
            SECRET,
            issuer=issuer,
            settings=settings,
            clock=clock,
        )
        made.append(verifier)
        return verifier

    yield make
    for verifier in made:
        verifier.stop()


@pytest.fixture
def verifier(make_verifier):
    """A verifier that has heard from the portal once."""
    verifier = make_verifier()
    assert verifier.poll_once()
    return verifier
