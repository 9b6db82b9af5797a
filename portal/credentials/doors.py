"""The doors at which keys are shown, as far as a case has to know them.

Gateways are an app above this one, so it is they who say which there are (its AppConfig).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from portal.credentials.enums import KeyKind


@dataclass(frozen=True, slots=True)
class Door:
    """One that lets keys through: whose model it serves, and whether it takes test keys too.

    `offline_for`: how many seconds it may go on by what it was given, if it judges by itself.
    """

    ref: str
    name: str
    audience: str
    sandbox: bool = False
    offline_for: int = 0

    def serves(self, *, audience: str, kind: str) -> bool:
        """Whether a key of this kind for that model works here, as long as it works at all."""
        return audience == self.audience and (kind == KeyKind.LIVE or self.sandbox)


Listing = Callable[[], Iterable[Door]]

_listings: dict[str, Listing] = {}


def register(name: str, listing: Listing) -> None:
    """Have every proof ask these doors too; a second time under a name replaces the first."""
    _listings[name] = listing


def registered() -> list[Door]:
    """Every door in use at this moment."""
    return [door for listing in _listings.values() for door in listing()]
