"""Who is mailed about the keys of a case, and what, before anything is sent.

Whoever looks after an organisation's keys gets one mail about all of them, and each holder who
does not one about theirs. Each takes a fixed number of statements, however many keys there are.
"""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import DenseRank

from accounts.models import Membership, Organization
from portal.credentials.models import Credential, Revocation
from portal.credentials.notices import MOST_KIDS_TOLD, words_of_revoked
from portal.credentials.selectors import KEEPERS, KEYS_REVOKED, keepers_of
from portal.mail.letters import Letter, letter

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


@dataclass(frozen=True)
class Post:
    """What the preview of a case shows of its mails."""

    partners: list[ToPartner]
    others: int  # partners that are not shown
    to: str  # whom the letter is to
    letter: Letter


def mails_about(items: QuerySet) -> Mails:
    """How many mails tell of items that have a `credential`."""
    partners = items.exclude(**{_PARTNER: None}).values(_PARTNER)
    keepers = _keepers(partners).order_by().values_list("organization").annotate(Count("pk"))
    holders = _other_holders(items).values_list(_PARTNER)
    holders = holders.annotate(Count(_HOLDER, distinct=True))
    return dict(Counter(dict(keepers)) + Counter(dict(holders)))


def mails_before(case: Revocation, mails: Mails) -> Post | None:
    """Of a case that is not confirmed; nothing of one that nobody is told of."""
    if not mails:
        return None
    to, words = _sample(case, max(mails, key=lambda partner: mails[partner]))
    shown = to_partners(case.items.order_by(), mails)
    return Post(shown, len(mails) - len(shown), to, words)


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
    theirs = keys if keeper else keys.filter(grant__holder=person)
    words = words_of_revoked(
        one.grant,
        organization,
        to=keeper or person,
        kids=list(theirs.values_list("kid", flat=True)[:MOST_KIDS_TOLD]),
        count=theirs.count(),
        reason=case.reason,
        case=case.ref,
    )
    return (keeper or person).email, letter(KEYS_REVOKED, words)
