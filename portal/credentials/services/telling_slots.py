"""One step of telling a partner of its new slots: its keepers first, then so many of its holders.

As telling.py does of the dead keys: whoever was told of a slot is not told of it again.
"""

from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Organization, User
from portal.credentials import notices
from portal.credentials.enums import CredentialStatus, ReissueItemStatus
from portal.credentials.mail_words import Theirs
from portal.credentials.models import Grant, ReissueItem, Revocation
from portal.credentials.selectors import UNTOLD_SLOTS, keepers_of

HOLDERS_AT_ONCE = 500


def tell_some_of_slots(case: Revocation, one: ReissueItem) -> int:
    """Queue mails to some people of this item's partner; returns how many. The caller holds the
    case's row and the re-issue's.
    """
    organization, mails = one.grant.organization, 0
    if organization and not one.keepers_told:
        mails = _tell_keepers(case, organization, of_the_same_partner(one))
    return mails + _tell_holders(case, organization, of_the_same_partner(one))


def of_the_same_partner(one: ReissueItem) -> QuerySet[ReissueItem]:
    """Those that nobody is told of yet."""
    items = ReissueItem.objects.filter(reissue=one.reissue_id, status__in=UNTOLD_SLOTS)
    partner = one.grant.organization_id
    if partner is None:
        return items.filter(grant__organization=None, grant__holder=one.grant.holder_id)
    return items.filter(grant__organization=partner)


def _tell_keepers(
    case: Revocation, organization: Organization, items: QuerySet[ReissueItem]
) -> int:
    """Whoever looks after the organisation's keys, of every slot."""
    keepers = list(keepers_of(organization).order_by("pk"))
    items.update(keepers_told=True)
    slots = _ready(items)
    if not keepers or not slots:
        return 0
    told = _told({person.pk: slots for person in keepers}, {each.pk: each for each in keepers})
    return _queue(case, organization, told, items.filter(grant__holder__in=keepers))


def _tell_holders(
    case: Revocation, organization: Organization | None, items: QuerySet[ReissueItem]
) -> int:
    """HOLDERS_AT_ONCE of those who are not told yet, of their slots."""
    untold = items.order_by("grant__holder_id").values_list("grant__holder_id", flat=True)
    people = User.objects.in_bulk(list(untold.distinct()[:HOLDERS_AT_ONCE]))
    of_them = items.filter(grant__holder__in=list(people))
    slots: dict[int, list[_Slot]] = {}
    for slot in _ready(of_them):
        slots.setdefault(slot[0], []).append(slot)
    return _queue(case, organization, _told(slots, people), of_them)


_Slot = tuple[int, int, str, datetime | None]


def _ready(items: QuerySet[ReissueItem]) -> list[_Slot]:
    """(holder, grant, kid, until when it can be claimed); what was claimed meanwhile is known."""
    ready = items.filter(slot__status=CredentialStatus.READY).order_by("slot_id")
    return list(ready.values_list("grant__holder_id", "grant_id", "slot__kid", "slot__expires_at"))


def _told(slots: dict[int, list[_Slot]], people: dict[int, User]) -> list[Theirs]:
    first = {rows[0][1] for rows in slots.values()}
    grants = Grant.objects.select_related("phase__release").in_bulk(first)
    return [
        Theirs(
            people[person],
            grants[rows[0][1]],
            [kid for _holder, _grant, kid, _until in rows],
            until=min(until for *_, until in rows if until),
        )
        for person, rows in slots.items()
    ]


def _queue(
    case: Revocation,
    organization: Organization | None,
    told: list[Theirs],
    items: QuerySet[ReissueItem],
) -> int:
    held = case.paused_at is not None
    mails = notices.keys_reissued(organization, told, case=case.ref, held=held) if told else 0
    items.update(status=ReissueItemStatus.TOLD, done_at=timezone.now(), last_error="")
    return mails
