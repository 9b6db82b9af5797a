"""The words of mails to holders: what a mail's row keeps, and what is shown before it is sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import reverse

from accounts.models import Organization, User
from portal.credentials.enums import RevocationReason
from portal.credentials.models import Grant

Word = str | int | list[str]
MOST_KIDS_TOLD = 50  # in one mail; the access page shows the rest


class Theirs(NamedTuple):
    """A person, the grant of the first key they are told of, the kids of all, and until when new
    ones can be claimed.
    """

    person: User
    grant: Grant
    kids: Sequence[str]
    until: datetime | None = None


def words_of_revoked(
    organization: Organization | None, theirs: Theirs, *, reason: str, case: str
) -> dict[str, Any]:
    """Of keys of a partner, as one person is told of them."""
    count = len(theirs.kids)
    return words_for(
        theirs.grant,
        to=theirs.person,
        reason=str(RevocationReason(reason).label),
        partner=organization.name if organization else "",
        case_url=case_url(case),
        kids=list(theirs.kids[:MOST_KIDS_TOLD]),
        count=count,
        more=max(count - MOST_KIDS_TOLD, 0),
    )


def words_of_reissued(organization: Organization | None, theirs: Theirs) -> dict[str, Any]:
    """Of new slots of a partner, as one person is told of them."""
    count = len(theirs.kids)
    return words_for(
        theirs.grant,
        to=theirs.person,
        partner=organization.name if organization else "",
        until=day(theirs.until),
        kids=list(theirs.kids[:MOST_KIDS_TOLD]),
        count=count,
        more=max(count - MOST_KIDS_TOLD, 0),
    )


def day(when: object) -> str:
    return f"{when:%-d %B %Y}"


def case_url(ref: str) -> str:
    return f"{settings.BASE_URL}{reverse('credentials:case', args=[ref])}"


def words_for(grant: Grant, *, to: User, **more: Word) -> dict[str, Any]:
    return {
        "name": to.get_short_name(),
        "ref": grant.ref,
        "release": grant.phase.release.name,
        "url": f"{settings.BASE_URL}{reverse('credentials:access')}",
        **more,
    }
