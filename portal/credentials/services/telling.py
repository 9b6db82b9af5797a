"""One step of telling a partner of a case: its machines and keepers first, then its other holders.

A partner may have very many people, so a step takes so many holders. A key is marked as told of in
the transaction that queues its mail: whoever was told of a key is not told of it again.
"""

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Organization, User
from portal.credentials import hooks, notices
from portal.credentials.enums import ItemStatus, PartyStatus
from portal.credentials.mail_words import Theirs
from portal.credentials.models import Grant, Revocation, RevocationItem, RevocationParty
from portal.credentials.selectors import keepers_of

HOLDERS_AT_ONCE = 500
_HOLDER = "credential__grant__holder_id"


def tell_some(case: Revocation, party: RevocationParty) -> None:
    """Queue mails to some of this partner's people, and in the first step those about every key,
    and the event for its machines. The caller holds the case's row and the party's.
    """
    items, now = _untold_of(case, party), timezone.now()
    if party.begun_at is None:
        party.begun_at = now
        party.mails += _tell_keepers(case, party.organization, items)
    party.mails += _tell_holders(case, party.organization, items)
    if items.exists():  # the others have their turn first
        party.status, party.next_attempt_at = PartyStatus.PENDING, now
    else:
        party.status, party.done_at = PartyStatus.DONE, now
    party.last_error = ""
    party.save(
        update_fields=["status", "begun_at", "mails", "next_attempt_at", "done_at", "last_error"]
    )


def _tell_keepers(
    case: Revocation, organization: Organization | None, items: QuerySet[RevocationItem]
) -> int:
    """Whoever looks after the organisation's keys, of every one; returns how many mails."""
    keys = items.order_by("credential_id").values_list("credential__grant", "credential__kid")
    grants_and_kids = list(keys) if organization else []
    if organization is None or not grants_and_kids:
        return 0
    kids = [kid for _grant, kid in grants_and_kids]
    held = case.paused_at is not None
    hooks.keys_revoked(organization, kids, reason=case.reason, case=case.ref, held=held)
    grant = Grant.objects.select_related("phase__release").get(pk=grants_and_kids[0][0])
    keepers = list(keepers_of(organization).order_by("pk"))
    told = [Theirs(person, grant, kids) for person in keepers]
    return _queue(case, organization, told, items.filter(**{f"{_HOLDER}__in": _ids(keepers)}))


def _tell_holders(
    case: Revocation, organization: Organization | None, items: QuerySet[RevocationItem]
) -> int:
    """HOLDERS_AT_ONCE of those who are not told yet, of their keys; returns how many mails."""
    untold = items.order_by(_HOLDER).values_list(_HOLDER, flat=True).distinct()
    people = User.objects.in_bulk(list(untold[:HOLDERS_AT_ONCE]))
    of_them = items.filter(**{f"{_HOLDER}__in": list(people)})
    keys = of_them.order_by("credential_id").values_list(
        _HOLDER, "credential__grant", "credential__kid"
    )
    kids: dict[int, list[str]] = {}
    first: dict[int, int] = {}
    for holder, grant, kid in keys:
        kids.setdefault(holder, []).append(kid)
        first.setdefault(holder, grant)
    grants = Grant.objects.select_related("phase__release").in_bulk(first.values())
    told = [Theirs(people[each], grants[first[each]], kids[each]) for each in kids]
    return _queue(case, organization, told, of_them)


def _queue(
    case: Revocation,
    organization: Organization | None,
    told: list[Theirs],
    items: QuerySet[RevocationItem],
) -> int:
    if not told:
        return 0
    held = case.paused_at is not None
    mails = notices.keys_revoked(organization, told, reason=case.reason, case=case.ref, held=held)
    items.update(status=ItemStatus.DONE, done_at=timezone.now())
    return mails


def _ids(people: list[User]) -> list[int]:
    return [person.pk for person in people]


def _untold_of(case: Revocation, party: RevocationParty) -> QuerySet[RevocationItem]:
    whose = {"credential__grant__organization": party.organization_id}
    if party.organization_id is None:
        whose = {
            "credential__grant__organization__isnull": True,
            "credential__grant__holder": party.holder_id,
        }
    return case.items.filter(status=ItemStatus.PENDING, **whose)
