"""After every fault the same questions."""

import pytest

from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def _ask_the_oracle(request):
    """Of every test that has a database."""
    if request.node.get_closest_marker("django_db"):
        request.getfixturevalue("standing_oracle")
