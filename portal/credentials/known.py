"""Keys and gateways that have proved themselves to this process, found again by one cheap hash.

Whoever presents a secret again within the time it is remembered is known by its seal: a hash under
a key that this process draws when it starts and tells nobody. So no secret lies in memory, and a
seal is worth nothing anywhere else. The long proof, against what is stored under the pepper, was
given when the seal was kept; that nothing was taken away since is what `remembered` sees to.

A secret that is wrong has no seal here, whichever kid it names, and is read up like an unknown one.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from portal.credentials.facts import Facts

_KEY = secrets.token_bytes(32)
_SIZE = 16  # bytes: nobody can look for two secrets of one seal without the key

T = TypeVar("T")


@dataclass(slots=True)
class Known:
    """A key that was found good: what is true of it, and what doors answer of that."""

    facts: Facts
    _answers: dict[str, object] = field(default_factory=dict, repr=False)

    def say(self, door: str, answer: Callable[[Facts], T]) -> T:
        """What this door answers, made the first time: facts do not change while they are kept."""
        said = self._answers.get(door)
        if said is None:
            said = self._answers[door] = answer(self.facts)
        return said  # type: ignore[return-value]  # each door stores what its own `answer` makes


def seal(kind: bytes, secret: bytes) -> bytes:
    """Name this secret in this process. `kind`, up to 16 bytes, keeps keys and gateways apart."""
    return hashlib.blake2b(secret, digest_size=_SIZE, key=_KEY, person=kind).digest()
