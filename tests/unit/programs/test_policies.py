"""Truth tables: who changes a programme, and when a phase takes applications."""

import itertools
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from portal.programs import policies
from portal.programs.models import ModelRelease, RolloutPhase
from tests.factories.accounts import UserFactory

NOW = timezone.now()
BEFORE, AFTER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)

EDIT, HALT = "programs.change_rolloutphase", "programs.halt_phase"
TERMS = "programs.add_agreementversion"
WHO = {
    "nobody's staff": {},
    "may edit": {"permissions": [EDIT]},
    "may halt": {"permissions": [HALT]},
    "may publish terms": {"permissions": [TERMS]},
    "superuser": {"is_superuser": True},
    "superuser, inactive": {"is_superuser": True, "is_active": False},
}


def may(permission):
    """Those of them who hold it."""
    holders = [who for who in WHO if permission in WHO[who].get("permissions", ())]
    return {*holders, "superuser"}


@pytest.mark.django_db
@pytest.mark.parametrize("who", WHO)
def test_who_edits_and_who_publishes_terms(who):
    user = UserFactory(**WHO[who])
    said = (
        policies.can_edit_programme(user).code,
        policies.can_publish_agreement(user, ModelRelease()).code,
    )
    assert said == (
        "" if who in may(EDIT) else "no_permission",
        "" if who in may(TERMS) else "no_permission",
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("policy", "permission", "state", "able"),
    [
        ("can_publish_release", EDIT, ModelRelease(), ""),
        ("can_publish_release", EDIT, ModelRelease(published_at=NOW), "already_published"),
        ("can_halt_phase", HALT, RolloutPhase(), ""),
        ("can_halt_phase", HALT, RolloutPhase(halted_at=NOW), "already_halted"),
        ("can_resume_phase", HALT, RolloutPhase(), "not_halted"),
        ("can_resume_phase", HALT, RolloutPhase(halted_at=NOW), ""),
    ],
)
def test_who_publishes_halts_and_resumes_in_which_state(policy, permission, state, able):
    said = {who: getattr(policies, policy)(UserFactory(**WHO[who]), state).code for who in WHO}
    assert said == {who: able if who in may(permission) else "no_permission" for who in WHO}


def phase(*, published=True, **fields):
    return RolloutPhase(release=ModelRelease(published_at=BEFORE if published else None), **fields)


PHASES = {
    "open, no end": (phase(opens_at=BEFORE), ""),
    "open, ends later": (phase(opens_at=BEFORE, closes_at=AFTER), ""),
    "no opening yet": (phase(), "not_open"),
    "release not published": (phase(published=False, opens_at=BEFORE), "not_open"),
    "halted": (phase(opens_at=BEFORE, halted_at=NOW), "phase_halted"),
    "halted and over": (phase(opens_at=BEFORE, closes_at=BEFORE, halted_at=NOW), "phase_halted"),
    "opens later": (phase(opens_at=AFTER), "not_yet_open"),
    "over": (phase(opens_at=BEFORE, closes_at=BEFORE), "closed"),
}
APPLICANTS = {
    "sound": User(),
    "suspended": User(suspended_at=NOW),
    "inactive": User(is_active=False),
    "suspended superuser": User(is_superuser=True, suspended_at=NOW),
}


@pytest.mark.parametrize(("who", "state"), list(itertools.product(APPLICANTS, PHASES)))
def test_who_applies_to_which_phase(who, state):
    row, able = PHASES[state]
    said = policies.can_apply_to_phase(APPLICANTS[who], row).code
    assert (said, policies.phase_is_open(row).code) == (
        able if who == "sound" else "account_suspended",
        able,
    )
