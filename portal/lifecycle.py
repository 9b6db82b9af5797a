"""The shape every state machine shares; each app's own lifecycle.py is the data."""

from collections.abc import Mapping
from typing import Protocol

from portal.errors import InvalidTransition


class Stateful(Protocol):
    """Anything with a public reference and a status."""

    status: str

    @property
    def ref(self) -> str: ...


Transitions = Mapping[str, frozenset[str]]


def check_transition(row: Stateful, *, to: str, transitions: Transitions) -> None:
    """Raise InvalidTransition unless `transitions` has an edge from the row's status to `to`."""
    if to not in transitions[row.status]:
        raise InvalidTransition(
            "invalid_transition",
            f"{row.ref} is {row.status.replace('_', ' ')} and cannot become "
            f"{to.replace('_', ' ')}. Reload the page to see where it stands now.",
        )
