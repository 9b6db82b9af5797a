"""Every state has its edges, its holder, its event, and every event its words."""

import pytest
from django.conf import settings

from portal.audit.presenters import PRESENTERS
from portal.state_pages import MACHINES, states_page


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_machine_is_complete(machine):
    states = set(machine.states.values)
    assert set(machine.transitions) == states
    assert set(machine.holder) == states
    assert set(machine.event) == states
    assert set().union(*machine.transitions.values()) <= states
    assert len(set(machine.event.values())) == len(states)
    assert set(machine.event.values()) <= set(PRESENTERS)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_can_be_reached_and_final_ones_have_nobody_s_turn(machine):
    entered = set().union(*machine.transitions.values())
    beginnings = set(machine.states.values) - entered
    assert len(beginnings) == 1 or machine.name == "Grant"  # scheduled, or at once activating
    final = {state for state, nexts in machine.transitions.items() if not nexts}
    nobody = {state for state, holder in machine.holder.items() if holder == "nobody"}
    assert final == nobody


def test_the_states_page_is_fresh():
    assert (settings.BASE_DIR / "docs" / "states.md").read_text() == states_page()
