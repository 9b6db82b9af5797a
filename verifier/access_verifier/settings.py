"""What a gateway may set, each with the value that suits most."""

import ssl
from dataclasses import dataclass

MOST_OLDEST = 15.0
MOST_LEEWAY = 5.0  # the portal forgets epochs when no token lives any longer with that


@dataclass(frozen=True, slots=True)
class Settings:
    """All times in seconds. Raises ValueError for what would open a door."""

    leeway: float = MOST_LEEWAY  # granted at either end of a token's life; never more than this
    oldest: float = MOST_OLDEST  # how old the portal's word may be; never more than this
    longest_life: float = 300.0  # a token that is to live longer is refused
    every: float = 1.0  # between two snapshots
    timeout: float = 3.0  # for one answer of the portal, from question to last byte
    most_seen: int = 10_000  # tokens whose signature is not computed again; 0 for none
    test_keys: bool = False  # take tokens of test keys as well: only where no real model answers
    status_lists: tuple[str, ...] = ()  # addresses to fetch before a token names them
    plain_http: bool = False  # ask over http where nobody can listen
    tls: ssl.SSLContext | None = None  # a context of your own, for instance with a private CA

    def __post_init__(self) -> None:
        if not 0 < self.oldest <= MOST_OLDEST:
            raise ValueError(f"oldest is more than 0 and at most {MOST_OLDEST:.0f} seconds.")
        if not 0 <= self.leeway <= MOST_LEEWAY:
            raise ValueError(f"leeway is 0 or more and at most {MOST_LEEWAY:.0f} seconds.")
        if self.every <= 0 or self.timeout <= 0:
            raise ValueError("every and timeout are more than 0 seconds.")
