"""One world for all of these tests: loading it takes longer than most of them."""

import pytest

from tests.world import load_world

world = pytest.fixture(scope="package", name="world")(load_world)
