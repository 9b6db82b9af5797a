"""Who is mailed about the keys of a case or a re-issue, counted before anything is sent.

Whoever looks after an organisation's keys gets one mail about all of them, and each holder who
does not one about theirs. Each takes a fixed number of statements, however many keys there are.
"""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import DenseRank

from accounts.models import Membership, Organization
from portal.credentials.selectors import KEEPERS

MOST_PARTNERS, FIRST = 20, 3  # partners shown, and addresses of each
INDIVIDUALS = "Individuals"
Mails = dict[int | None, int]  # how many, by the organisation's id; None: people on their own
_PARTNER, _HOLDER = "credential__grant__organization", "credential__grant__holder_id"


@dataclass(frozen=True)
class ToPartner:
    """How many mails go to the people of one partner, and the first of their addresses."""

    name: str
    mails: int
    first: list[str]

    @property
    def more(self) -> int:
        return self.mails - len(self.first)


def mails_about(items: QuerySet) -> Mails:
    """How many mails tell of items that have a `credential`."""
    partners = items.exclude(**{_PARTNER: None}).values(_PARTNER)
    keepers = _keepers(partners).order_by().values_list("organization").annotate(Count("pk"))
    holders = _other_holders(items).values_list(_PARTNER)
    holders = holders.annotate(Count(_HOLDER, distinct=True))
    return dict(Counter(dict(keepers)) + Counter(dict(holders)))


def to_partners(items: QuerySet, mails: Mails) -> list[ToPartner]:
    """Those with most mails first, and so many."""
    most = sorted(mails, key=lambda partner: -mails[partner])[:MOST_PARTNERS]
    names = dict(
        Organization.objects.filter(pk__in=[each for each in most if each]).values_list(
            "pk", "name"
        )
    )
    first = _first_addresses(items, most)
    return [
        ToPartner(names.get(each or 0, INDIVIDUALS), mails[each], first.get(each, [])[:FIRST])
        for each in most
    ]


def _first_addresses(items: QuerySet, partners: list[int | None]) -> dict[int | None, list[str]]:
    """Of each of these partners: of who looks after its keys, then of other holders."""
    these = Q(**{f"{_PARTNER}__in": [each for each in partners if each]})
    if None in partners:
        these |= Q(**{f"{_PARTNER}__isnull": True})
    keepers = _ranked(
        _keepers([each for each in partners if each]), "organization", "user_id", "user__email"
    )
    holders = _ranked(
        _other_holders(items.filter(these)), _PARTNER, _HOLDER, "credential__grant__holder__email"
    )
    found: dict[int | None, list[str]] = {}
    for partner, address in [*keepers, *holders]:
        found.setdefault(partner, []).append(address)
    return found


def _ranked(rows: QuerySet, partner: str, person: str, address: str) -> QuerySet:
    """(partner, address) of the first people of each partner, whatever number of rows each has."""
    place = Window(DenseRank(), partition_by=F(partner), order_by=F(person).asc())
    ranked = rows.order_by().annotate(place=place).filter(place__lte=FIRST)
    return ranked.values_list(partner, address).distinct().order_by(f"{partner}_id", person)


def _keepers(partners: QuerySet | list[int]) -> QuerySet[Membership]:
    return Membership.objects.filter(
        organization__in=partners, role__in=KEEPERS, user__suspended_at=None
    )


def _other_holders(items: QuerySet) -> QuerySet:
    """The items whose holders do not look after the keys of their organisation."""
    keeps = Membership.objects.filter(
        organization=OuterRef(_PARTNER),
        user=OuterRef(_HOLDER),
        role__in=KEEPERS,
        user__suspended_at=None,
    )
    return items.exclude(Exists(keeps))
