"""Truth tables: who may register a machine, and change or stop one."""

import itertools

import pytest
from django.utils import timezone

from portal.gateway import policies
from portal.gateway.models import Gateway
from tests.factories.accounts import UserFactory

pytestmark = pytest.mark.django_db

WHO = {
    "nobody's staff": {},
    "staff without it": {"is_staff": True, "permissions": ["programs.change_rolloutphase"]},
    "with the permission": {"permissions": [policies.MANAGE]},
    "superuser": {"is_superuser": True},
    "superuser, inactive": {"is_superuser": True, "is_active": False},
}
MAY = ("with the permission", "superuser")
STATES = {"in use": None, "disabled": timezone.now()}


@pytest.mark.parametrize("who", WHO)
def test_who_registers(who):
    said = policies.can_register_gateway(UserFactory(**WHO[who])).code
    assert said == ("" if who in MAY else "no_permission")


@pytest.mark.parametrize(("who", "state"), list(itertools.product(WHO, STATES)))
@pytest.mark.parametrize(
    "policy", [policies.can_rotate_gateway_secret, policies.can_disable_gateway]
)
def test_who_changes_one_in_which_state(policy, who, state):
    said = policy(UserFactory(**WHO[who]), Gateway(disabled_at=STATES[state])).code
    able = {"in use": "", "disabled": "gateway_disabled"}
    assert said == (able[state] if who in MAY else "no_permission")
