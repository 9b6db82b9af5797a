"""What the preview of a case, or of a re-issue after it, shows of its mails: to whom they go, and
one as it will be sent.
"""

from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils import timezone

from portal.credentials.case_mails import Mails, ToPartner, to_partners
from portal.credentials.enums import RevocationStatus
from portal.credentials.lifecycle import CLAIM_WITHIN
from portal.credentials.mail_words import Theirs, words_of_reissued, words_of_revoked
from portal.credentials.models import Credential, ReissueItem, Revocation
from portal.credentials.selectors import KEYS_REISSUED, KEYS_REVOKED, keepers_of
from portal.mail.letters import Letter, letter

_UNDECIDED = (RevocationStatus.PREVIEWED, RevocationStatus.AWAITING_SECOND)


@dataclass(frozen=True)
class Post:
    partners: list[ToPartner]
    others: int  # partners that are not shown
    to: str  # whom the letter is to
    letter: Letter


def mails_before(case: Revocation, mails: Mails) -> Post | None:
    """Nothing of a case that is decided, or that nobody is told of."""
    if not mails or case.status not in _UNDECIDED:
        return None
    to, words = _sample(case, max(mails, key=lambda partner: mails[partner]))
    shown = to_partners(case.items.order_by(), mails)
    return Post(shown, len(mails) - len(shown), to, words)


def _sample(case: Revocation, partner: int | None) -> tuple[str, Letter]:
    """As it would be sent to the first of this partner's people."""
    keys = Credential.objects.filter(
        revocation_items__revocation=case, grant__organization=partner
    ).order_by("pk")
    one = keys.select_related(
        "grant__organization", "grant__holder", "grant__phase__release"
    ).first()
    assert one is not None  # noqa: S101 - a partner is mailed about its keys alone
    organization, person = one.grant.organization, one.grant.holder
    keeper = keepers_of(organization).order_by("pk").first() if organization else None
    whose = keys if keeper else keys.filter(grant__holder=person)
    theirs = Theirs(keeper or person, one.grant, list(whose.values_list("kid", flat=True)))
    words = words_of_revoked(organization, theirs, reason=case.reason, case=case.ref)
    return theirs.person.email, letter(KEYS_REVOKED, words)


def mails_before_reissue(items: QuerySet[ReissueItem], mails: Mails) -> Post | None:
    """Of the items of an undecided one that are to get a slot."""
    if not mails:
        return None
    to, words = _sample_of_slots(items, max(mails, key=lambda partner: mails[partner]))
    shown = to_partners(items, mails)
    return Post(shown, len(mails) - len(shown), to, words)


def _sample_of_slots(items: QuerySet[ReissueItem], partner: int | None) -> tuple[str, Letter]:
    """The ids of keys that are still to be made nobody knows: each says whose place it takes."""
    slots = items.filter(grant__organization=partner).order_by("pk")
    one = slots.select_related("grant__organization", "grant__holder", "grant__phase__release")[0]
    organization, person = one.grant.organization, one.grant.holder
    keeper = keepers_of(organization).order_by("pk").first() if organization else None
    whose = slots if keeper else slots.filter(grant__holder=person)
    rows = list(whose.values_list("credential__kid", "grant__ends_at"))
    until = min(timezone.now() + CLAIM_WITHIN, *(ends for _kid, ends in rows))
    kids = [f"(a new id, in place of {kid})" for kid, _ends in rows]
    theirs = Theirs(keeper or person, one.grant, kids, until)
    words = words_of_reissued(organization, theirs)
    return theirs.person.email, letter(KEYS_REISSUED, words)
