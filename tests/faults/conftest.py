"""After every fault the same questions."""

import pytest

from tests.faults.oracle import standing_oracle  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def _ask_the_oracle(request):
    """Of every test whose database others see; test_oracle.py, which does wrong, has none such."""
    marker = request.node.get_closest_marker("django_db")
    if marker and marker.kwargs.get("transaction"):
        request.getfixturevalue("standing_oracle")
