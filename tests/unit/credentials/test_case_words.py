"""How long is left, as a case's pages say it."""

from datetime import timedelta

import pytest

from portal.credentials.case_report import Headway
from portal.credentials.enums import ItemStatus

EVERY_KEY = dict.fromkeys(ItemStatus.values, 0)


def headway(done, owed, elapsed):
    counts = {**EVERY_KEY, ItemStatus.DONE: done, ItemStatus.PENDING: owed}
    return Headway(counts=counts, told=0, parties=0, mails=0, elapsed=timedelta(seconds=elapsed))


@pytest.mark.parametrize(
    ("done", "owed", "elapsed", "words"),
    [
        (10, 10, 1, "1 second"),
        (10, 10, 45, "45 seconds"),
        (10, 10, 131, "2 minutes"),
        (10, 590, 60, "59 minutes"),
        (10, 10, 7 * 3600, "7 hours"),
        (0, 10, 60, ""),
        (10, 0, 60, ""),
    ],
)
def test_the_time_left_is_told_in_words(done, owed, elapsed, words):
    assert headway(done, owed, elapsed).left_words == words
