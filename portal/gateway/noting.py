"""What follows from a yes: for most keys a note in memory, and no statement."""

from portal.audit.services import System
from portal.credentials import last_use, remembered
from portal.credentials.facts import Facts
from portal.credentials.services import start_overlap
from portal.gateway.authentication import stale
from portal.gateway.services import store_rehashed_secrets
from portal.gateway.tokens import is_token


def note_yes(presented: str, facts: Facts) -> None:
    """Every door calls this for a key, or a token of it, that it lets through."""
    if facts.first_use:
        start_overlap(kid=facts.kid, by=System("gateway"))
        remembered.forget(f"key:{facts.kid}")  # or each call would ask for it again
    if is_token(presented):
        last_use.note_use(facts.kid)  # of the key itself nothing was seen that could be hashed
    else:
        last_use.note_yes(presented, facts)


def start_noting() -> None:
    """Have a thread of this process write what its doors note."""
    last_use.start_flushing(flush_stale_secrets)


def flush_stale_secrets() -> int:
    """Write gateways' secrets under the current pepper, as they were used; returns how many."""
    return stale.write(lambda notes: store_rehashed_secrets(rehashed=notes), at_once=100)
