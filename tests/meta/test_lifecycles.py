"""Every state has its edges, its holder, its event, and every event its words."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings

from portal.audit.presenters import PRESENTERS
from portal.state_pages import MACHINES, states_page
from tests.meta.sources import trees

RECORDERS = {"record_event", "record_events", "record_changes", "record_credential", "_record"}
# Kinds put together while running, by the words of the code that does it.
COMPOSED = {
    "f'{_kind(setting)}.saved'": {
        f"{x}.saved" for x in ("release", "phase", "capability", "question")
    },
}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_machine_is_complete(machine):
    states = set(machine.states.values)
    assert set(machine.transitions) == states
    assert set(machine.holder) == states
    assert set(machine.event) == states
    assert set().union(*machine.transitions.values()) <= states
    assert len(set(machine.event.values())) == len(states)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_can_be_reached_and_final_ones_have_nobody_s_turn(machine):
    entered = set().union(*machine.transitions.values())
    beginnings = set(machine.states.values) - entered
    assert len(beginnings) == 1 or machine.name == "Grant"  # scheduled, or at once activating
    final = {state for state, nexts in machine.transitions.items() if not nexts}
    nobody = {state for state, holder in machine.holder.items() if holder == "nobody"}
    assert final == nobody


epochs = import_module("portal.credentials.migrations.0002_epochs")


def test_the_states_page_is_fresh():
    assert (settings.BASE_DIR / "docs" / "states.md").read_text() == states_page()


def _first_arguments(tree):
    """What is handed to a recorder as the kind, as it stands in the code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in RECORDERS:
                yield node.args[0]


def _constants(tree):
    """Names a module gives to plain strings, such as LEAK."""
    return {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }


def _kinds(tree):
    """The kinds a module writes, besides those of the state machines."""
    constants = _constants(tree)
    for kind in _first_arguments(tree):
        words = ast.unparse(kind)
        if isinstance(kind, ast.Constant):
            yield kind.value
        elif words in constants:
            yield constants[words]
        elif words in COMPOSED:
            yield from COMPOSED[words]
        elif words != "kind" and "EVENT[" not in words:  # handed on; or a state machine's
            yield f"not understood: {words}"


def test_every_event_has_a_presenter_and_every_presenter_an_event():
    written = {kind for _, tree in trees() for kind in _kinds(tree)}
    entered = {kind for machine in MACHINES for kind in machine.event.values()}
    assert sorted(written | entered | _kinds_in_sql()) == sorted(PRESENTERS)


def _kinds_in_sql():
    """What the database's own function writes, for the day when there is only a prompt."""
    kinds = set(
        re.findall(r"'([a-z_]+\.[a-z_]+)', 'system:sql'", Path(epochs.__file__).read_text())
    )
    assert kinds == {"freeze.placed"}
    return kinds


def test_the_search_for_events_finds_them():
    planted = """\
LEAK = "a.leaked"
record_event("a.done", subject=x)
services.record_events(LEAK, rows)
_record(kind, subject=x)
record_event(EVENT[to], subject=x)
record_event(f"{a}.b", subject=x)
"""
    assert list(_kinds(ast.parse(planted))) == [
        *("a.done", "a.leaked", "not understood: f'{a}.b'"),
    ]
