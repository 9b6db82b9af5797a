"""Where an application stands, in words: for every state, with whose turn it is and by when."""

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.applications.enums import ApplicationStatus
from portal.applications.lifecycle import HOLDER
from portal.applications.models import Application
from portal.applications.standing import standing
from portal.programs.models import RolloutPhase

NOW = timezone.now()
DAY = timedelta(days=1)


def standing_of(status, *, submitted=NOW, changed=NOW, expires=None):
    return standing(
        Application(
            status=status,
            phase=RolloutPhase(review_days=10),
            submitted_at=submitted,
            status_changed_at=changed,
            expires_at=expires,
        )
    )


@pytest.mark.parametrize("status", ApplicationStatus)
def test_no_state_is_silent(status):
    told = standing_of(status)
    assert all(text.endswith(".") for text in (told.now, told.next))
    pens = {"applicant": "You", "staff": "Our reviewers", "nobody": "Nobody: it is settled"}
    assert told.pen == pens[HOLDER[status]]


@pytest.mark.parametrize(
    ("status", "times", "by", "late"),
    [
        ("submitted", {"submitted": NOW - DAY}, NOW + 9 * DAY, False),
        ("in_review", {"submitted": NOW - 11 * DAY}, NOW - DAY, True),
        ("appealed", {"submitted": NOW - 30 * DAY, "changed": NOW - DAY}, NOW + 9 * DAY, False),
        ("draft", {"submitted": None, "expires": NOW + DAY}, NOW + DAY, False),
        ("approved", {"expires": NOW + DAY}, NOW + DAY, False),
        ("waitlisted", {}, None, False),
        ("granted", {}, None, False),
    ],
)
def test_it_says_by_when(status, times, by, late):
    told = standing_of(status, **times)
    assert (told.by, told.late) == (by, late)
