"""Draws the state machines as a page (docs/states.md), from the data the code itself runs on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from portal.applications import enums as application_enums
from portal.applications import lifecycle as applications
from portal.credentials import enums as credential_enums
from portal.credentials import lifecycle as credentials


@dataclass(frozen=True)
class Machine:
    """One state machine: its states in order, edges, whose turn each is, and event on entry."""

    name: str
    states: Any
    transitions: Mapping[str, frozenset[str]]
    holder: Mapping[str, str]
    event: Mapping[str, str]


MACHINES = (
    Machine(
        "Application",
        application_enums.ApplicationStatus,
        applications.TRANSITIONS,
        applications.HOLDER,
        applications.EVENT,
    ),
    Machine(
        "Grant",
        credential_enums.GrantStatus,
        credentials.GRANT_TRANSITIONS,
        credentials.GRANT_HOLDER,
        credentials.GRANT_EVENT,
    ),
    Machine(
        "Credential",
        credential_enums.CredentialStatus,
        credentials.CREDENTIAL_TRANSITIONS,
        credentials.CREDENTIAL_HOLDER,
        credentials.CREDENTIAL_EVENT,
    ),
    Machine(
        "Revocation",
        credential_enums.RevocationStatus,
        credentials.REVOCATION_TRANSITIONS,
        credentials.REVOCATION_HOLDER,
        credentials.REVOCATION_EVENT,
    ),
    Machine(
        "Reissue",
        credential_enums.ReissueStatus,
        credentials.REISSUE_TRANSITIONS,
        credentials.REISSUE_HOLDER,
        credentials.REISSUE_EVENT,
    ),
)


def states_page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# States"
    yield ""
    yield "Made from each app's `lifecycle.py` by `manage.py states`; a test keeps it fresh."
    for machine in MACHINES:
        yield from _machine_lines(machine)


def _machine_lines(machine: Machine) -> Iterator[str]:
    yield from ("", f"## {machine.name}", "")
    yield "| state | whose turn | event on entry | may become |"
    yield "| --- | --- | --- | --- |"
    for state in machine.states.values:
        nexts = [each for each in machine.states.values if each in machine.transitions[state]]
        holder = str(getattr(machine.holder[state], "value", machine.holder[state]))
        may_become = ", ".join(nexts) or "nothing: final"
        yield f"| `{state}` | {holder} | `{machine.event[state]}` | {may_become} |"
