"""What a preview points out to somebody in a hurry."""

import pytest

from portal.credentials import case_report
from portal.credentials.targets import Selector
from tests.unit.credentials.by_phase import confirm, live, preview

pytestmark = pytest.mark.django_db
EVERYTHING = "They are all the keys there are: nobody keeps access."
BEYOND = (
    "They are more than the 2 that one case may revoke: an incident lead has to confirm, and to"
    " say why. Whoever is awake can contain them."
)


def said(case):
    return case_report.surprises(case, case_report.figures(case))


def test_that_it_is_everything(phase, by):
    first, *_others = live(phase, 3)
    assert EVERYTHING in said(preview(phase, by))
    left = preview(phase, by, exclusions={first.kid: "runs the clinic"})
    assert EVERYTHING not in said(left)
    some = preview(phase, by, selector=Selector(kids=first.kid))
    assert EVERYTHING not in said(some)
    case = preview(phase, by)
    confirm(case, by)
    case.refresh_from_db()
    assert EVERYTHING not in said(case)


def test_a_drill_over_all_keys_to_test_is_not_everything(phase, by):
    live(phase, 2, kind="test")
    assert EVERYTHING not in said(preview(phase, by, rehearsal=True))


@pytest.mark.parametrize(("cap", "told"), [(2, True), (3, False)])
def test_that_it_takes_an_incident_lead(phase, by, settings, cap, told):
    settings.REVOCATION_CAP = cap
    live(phase, 3)
    assert (BEYOND in said(preview(phase, by))) is told


def test_of_a_drill_there_is_no_cap(phase, by, settings):
    settings.REVOCATION_CAP = 2
    live(phase, 3, kind="test")
    assert BEYOND not in said(preview(phase, by, rehearsal=True))
