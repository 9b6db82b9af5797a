"""The words of mails to holders: what a mail's row keeps, and what is shown before it is sent."""

from typing import Any

from django.conf import settings
from django.urls import reverse

from accounts.models import Organization, User
from portal.credentials.enums import RevocationReason
from portal.credentials.models import Grant

Word = str | int | list[str]
MOST_KIDS_TOLD = 50  # in one mail; the access page shows the rest


def words_of_revoked(
    grant: Grant,
    organization: Organization | None,
    *,
    to: User,
    kids: list[str],
    count: int,
    reason: str,
    case: str,
) -> dict[str, Any]:
    """Of `count` keys of a partner, the first of them under this grant; `kids` are the first."""
    return words_for(
        grant,
        to=to,
        reason=str(RevocationReason(reason).label),
        partner=organization.name if organization else "",
        case_url=case_url(case),
        kids=kids,
        count=count,
        more=max(count - MOST_KIDS_TOLD, 0),
    )


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
