"""What an organisation's machines are told. One function an event; no decisions, no secrets.

Called by services in the transaction of the change, once for all keys it concerns. Whoever revokes
many calls `keys_revoked` once for each organisation among them.
"""

from collections.abc import Sequence

from accounts.models import Organization
from portal.credentials.enums import RevocationReason
from portal.credentials.models import Grant
from portal.webhooks.enums import EventKind
from portal.webhooks.services import queue_event


def keys_revoked(
    organization: Organization | None,
    kids: Sequence[str],
    *,
    reason: str,
    case: str = "",
    held: bool = False,
) -> None:
    """Any number of kids; none is no event. About a case machines are told without end, and not
    before it is released where telling of it is paused.
    """
    if kids:
        queue_event(
            organization=organization,
            kind=EventKind.KEY_REVOKED,
            data={"kids": list(kids), "reason": RevocationReason(reason).value},
            about=case,
            held=held,
        )


def grant_suspended(grant: Grant) -> None:
    _tell(grant, EventKind.GRANT_SUSPENDED)


def grant_resumed(grant: Grant) -> None:
    _tell(grant, EventKind.GRANT_RESUMED)


def grant_revoked(grant: Grant, kids: Sequence[str], *, reason: str) -> None:
    """The keys that died with it are named, so that nobody needs to know whose grant a key is."""
    _tell(grant, EventKind.GRANT_REVOKED, kids=list(kids), reason=RevocationReason(reason).value)


def grant_ended(grant: Grant) -> None:
    _tell(grant, EventKind.GRANT_ENDED)


def _tell(grant: Grant, kind: EventKind, **data: str | list[str]) -> None:
    queue_event(organization=grant.organization, kind=kind, data={"grant": grant.ref, **data})
