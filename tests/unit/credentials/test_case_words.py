"""How long a preview can still be confirmed, as a case's page says it."""

from datetime import timedelta

import pytest

from portal.credentials import case_report


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (45, "45 seconds"),
        (131, "2 minutes"),
        (59 * 60, "59 minutes"),
        (7 * 3600, "7 hours"),
    ],
)
def test_the_time_left_is_told_in_words(seconds, words):
    assert case_report._span(timedelta(seconds=seconds)) == words
