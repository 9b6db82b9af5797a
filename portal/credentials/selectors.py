"""Reads: who is hit, what is unfinished, what a person holds."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Max, Min, OuterRef, Prefetch, Q, QuerySet, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from accounts.enums import MemberRole
from accounts.models import Organization, User
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.credentials.enums import (
    CredentialStatus,
    GrantStatus,
    ItemStatus,
    RevocationStatus,
)
from portal.credentials.lifecycle import LIVE, OCCUPYING
from portal.credentials.models import Credential, Grant, Revocation, RevocationItem
from portal.errors import Invalid
from portal.owed import Owed
from portal.programs.models import ModelRelease, RolloutPhase
from portal.redaction import redact

# A row this young is most likely in a worker's hands at this moment.
SETTLE = timedelta(seconds=5)
RING_AT_MOST = 500
_KID = re.compile(r"[0-9A-Za-z]{16}")
_KID_IN_KEY = re.compile(r"tpk_(?:live|test)_([0-9A-Za-z]{16})(?![0-9A-Za-z])")
_BETWEEN_KIDS = re.compile(r"[\s,;\"'`]+")
MOST_KIDS = 100_000
USE_IS_KNOWN_TO = timedelta(minutes=10)
MOST_NAMES = 200  # people or partners a search by part of a name looks under
_BEGUN = [GrantStatus.ACTIVATING, GrantStatus.ACTIVE, GrantStatus.SUSPENDED]
# Who looks after an organisation's keys, whoever of its people holds the grant.
KEEPERS = (MemberRole.TECHNICAL_CONTACT, MemberRole.OWNER)


@dataclass(frozen=True)
class Selector:
    """Whom a revocation hits: `by` is release, phase, organization, person or kids; `value` is
    a reference, an organisation's name, a person's e-mail address, or the kids separated by white
    space or commas.
    """

    by: str
    value: str

    def as_json(self) -> dict[str, str | list[str]]:
        """What is kept with the case; addresses are replaced by references."""
        if self.by == "kids":
            return {"by": "kids", "value": sorted(set(split_kids(self.value)))}
        return {"by": self.by, "value": target_of(self).ref}


_FILTERS = {
    "release": (ModelRelease, "grant__phase__release"),
    "phase": (RolloutPhase, "grant__phase"),
    "organization": (Organization, "grant__organization"),
    "person": (User, "grant__holder"),
}


def live_credentials(selector: Selector) -> QuerySet[Credential]:
    """The keys that could give access now or later and that the selector names.

    Raises Invalid when it names nothing known, or a malformed or unknown kid.
    """
    live = Credential.objects.filter(status__in=LIVE)
    if selector.by == "kids":
        return live.filter(kid__in=_known_kids(selector.value))
    target = target_of(selector)
    return live.filter(**{_FILTERS[selector.by][1]: target})


def target_of(selector: Selector) -> ModelRelease | RolloutPhase | Organization | User:
    """What a selector other than kids points at; raises Invalid when there is no such thing."""
    if selector.by not in _FILTERS:
        raise Invalid("selector_unknown", "Choose what to revoke by.", {"by": "Choose one."})
    model, _path = _FILTERS[selector.by]
    target: Any
    value = selector.value.strip()
    rows = model._default_manager
    # A reference first: anybody may name an organisation like somebody else's reference.
    target = rows.filter(ref=value.upper()).first()
    if target is None and model is User:
        target = rows.filter(email=value.lower()).first()
    if target is None and model is Organization:
        target = rows.filter(name=value).first()
    if target is None:
        told = f"Nothing is known as “{redact(value)[:100]}”. Copy the reference from its page."
        raise Invalid("selector_matches_nothing", told, {"value": told})
    return target


def barred_grants(grants: Iterable[Grant]) -> set[int]:
    """Ids of those grants that get no new key: since they were opened, or allowed new keys again,
    staff revoked one of their keys, or all keys of their release, phase, partner or holder.
    """
    since = Coalesce(OuterRef("new_keys_allowed_at"), OuterRef("opened_at"))
    keys = Credential.objects.filter(
        grant=OuterRef("pk"), revoked_by_staff=True, revoked_at__gt=since
    )
    covers = Q()
    for by, (_model, path) in _FILTERS.items():
        target = OuterRef(f"{path.removeprefix('grant__')}__ref")
        covers |= Q(chosen_by=Value(by), chosen=target)
    cases = Revocation.objects.annotate(
        chosen_by=KT("selector__by"), chosen=KT("selector__value")
    ).filter(covers, confirmed_at__gt=since)
    barred = Grant.objects.filter(Exists(keys) | Exists(cases), pk__in=[each.pk for each in grants])
    return set(barred.values_list("pk", flat=True))


def split_kids(text: str) -> list[str]:
    """The kids in pasted text; a whole key, in quotes or behind a name, is cut down to its kid."""
    return [_cut(word) for word in _BETWEEN_KIDS.split(text) if word]


def pick_kids(text: str) -> tuple[list[str], list[int]]:
    """(the kids in pasted text, the numbers of the lines that hold anything else)."""
    kids, odd = [], []
    for number, line in enumerate(text.splitlines(), 1):
        words = split_kids(line)
        fitting = [word for word in words if _KID.fullmatch(word)]
        kids += fitting
        if len(fitting) < len(words):
            odd.append(number)
    return kids, odd


def _cut(word: str) -> str:
    found = _KID_IN_KEY.search(word)
    return found[1] if found else word


def _known_kids(text: str) -> set[str]:
    kids = set(split_kids(text))
    if not kids or len(kids) > MOST_KIDS:
        raise Invalid("kids_count", f"Paste between 1 and {MOST_KIDS:,} key ids.")
    known = set(Credential.objects.filter(kid__in=kids).values_list("kid", flat=True))
    unknown = sorted(kid if _KID.fullmatch(kid) else "(malformed)" for kid in kids - known)
    if unknown:
        shown = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
        raise Invalid(
            "kids_unknown",
            f"{len(unknown)} of {len(kids)} are not known: {shown}. Remove or correct them.",
            {"value": f"Not known: {shown}"},
        )
    return known


def places_taken(phase: RolloutPhase) -> int:
    """Grants in force or on their way, and offers not yet taken."""
    offers = Application.objects.filter(phase=phase, status=ApplicationStatus.APPROVED)
    return phase.grants.filter(status__in=OCCUPYING).count() + offers.count()


def places_taken_by_phase() -> dict[int, int]:
    """`places_taken` for every phase that has any, by the phase's id, in two statements."""
    grants = Grant.objects.filter(status__in=OCCUPYING)
    offers = Application.objects.filter(status=ApplicationStatus.APPROVED)
    taken: Counter[int] = Counter()
    for rows in (grants, offers):
        taken.update(dict(rows.order_by().values_list("phase").annotate(Count("pk"))))
    return dict(taken)


def kept_organizations(user: User) -> QuerySet:
    """Ids of the organisations whose keys this person looks after."""
    return user.memberships.filter(role__in=KEEPERS).values_list("organization", flat=True)


def visible_grants(user: User) -> QuerySet[Grant]:
    """What the access page shows: one's own first, then those of one's organisations."""
    return (
        Grant.objects.filter(Q(holder=user) | Q(organization__in=kept_organizations(user)))
        .annotate(mine=Q(holder=user))
        .order_by("-mine", "-id")
        .select_related("phase__release", "organization", "holder", "application")
        .prefetch_related(
            Prefetch("credentials", Credential.objects.select_related("use", "claimed_by"))
        )
    )


def unfinished_grants() -> list[int]:
    """Ids of grants a worker should look at: due, and not touched within the last seconds."""
    now = timezone.now()
    waiting = Q(status=GrantStatus.ACTIVATING) | Q(
        status__in=[GrantStatus.ACTIVE, GrantStatus.SUSPENDED],
        credentials__waiting=True,  # what the index goes by
        credentials__status=CredentialStatus.REQUESTED,
        credentials__requested_at__lte=now - SETTLE,
    )
    scheduled = Q(status=GrantStatus.SCHEDULED, starts_at__lte=now)
    due = Grant.objects.filter(
        waiting | scheduled, next_attempt_at__lte=now, opened_at__lte=now - SETTLE
    )
    return list(due.order_by("pk").distinct().values_list("pk", flat=True)[:RING_AT_MOST])


def unfinished_revocations() -> list[int]:
    """Ids of cases with holders still to be told, or not yet closed, at which no worker is busy.

    A worker rings for its own next chunk; ringing beside it would start a second chain.
    """
    now = timezone.now()
    open_cases = Revocation.objects.filter(
        Q(status=RevocationStatus.RUNNING)
        | Q(
            status=RevocationStatus.COMPLETED_WITH_STRAGGLERS,
            items__next_attempt_at__lte=now,
        ),
        confirmed_at__lte=now - SETTLE,
    ).exclude(items__done_at__gt=now - SETTLE)
    return list(open_cases.order_by("pk").distinct().values_list("pk", flat=True)[:RING_AT_MOST])


def unfinished_by_kind() -> dict[str, Owed]:
    """What workers still owe: keys to be prepared, and holders to be told of a revocation."""
    return {"issue": _unprepared(), "revocation": _untold()}


def _unprepared() -> Owed:
    """A grant that begins later is owed nothing until then."""
    now = timezone.now()
    owed = Q(grant__status__in=_BEGUN) | Q(
        grant__status=GrantStatus.SCHEDULED, grant__starts_at__lte=now
    )
    since = Greatest("requested_at", "grant__starts_at")
    found = Credential.objects.filter(
        owed, waiting=True, status=CredentialStatus.REQUESTED
    ).aggregate(
        waiting=Count("pk"),
        since=Min(since),
        due_since=Min(
            Greatest(since, "grant__next_attempt_at"), filter=Q(grant__next_attempt_at__lte=now)
        ),
    )
    dead = Grant.objects.filter(status=GrantStatus.ACTIVATION_FAILED).count()
    return Owed(**found, dead=dead)


def _untold() -> Owed:
    """Holders are tried for without end, so none of these is ever given up."""
    unfinished = Q(status__in=[ItemStatus.PENDING, ItemStatus.FAILED])
    found = RevocationItem.objects.filter(unfinished).aggregate(
        waiting=Count("pk"),
        since=Min("revocation__confirmed_at"),
        due_since=Min("next_attempt_at", filter=Q(next_attempt_at__lte=timezone.now())),
    )
    return Owed(**found, dead=0)


def working_keys() -> QuerySet[Credential]:
    """Keys that could be used now, as far as the key alone decides."""
    return Credential.objects.filter(
        put_away=False, status=CredentialStatus.ACTIVE, expires_at__gt=timezone.now()
    )


def search_grants(grants: QuerySet[Grant], text: str) -> QuerySet[Grant]:
    """By reference of the grant or its application, by one of its kids, by holder or partner."""
    words = text.strip()
    of_keys = Credential.objects.filter(kid__in=_kids_meant(words)).values("grant")
    found = Q(ref=words.upper()) | Q(application__ref=words.upper()) | Q(pk__in=of_keys)
    return grants.filter(found | _held_by(words))


def search_credentials(credentials: QuerySet[Credential], text: str) -> QuerySet[Credential]:
    """By kid, by the reference of the grant, by the key's own name, by holder or partner."""
    words = text.strip()
    found = Q(kid__in=_kids_meant(words)) | Q(grant__ref=words.upper()) | Q(name__iexact=words)
    return credentials.filter(found | _held_by(words, "grant__"))


def search_revocations(revocations: QuerySet[Revocation], text: str) -> QuerySet[Revocation]:
    """By reference, or by the kid of a key in the case."""
    words = text.strip()
    keys = _ids(Credential.objects.filter(kid__in=_kids_meant(words)))
    items = RevocationItem.objects.filter(credential__in=list(keys))
    return revocations.filter(Q(ref=words.upper()) | Q(pk__in=items.values("revocation")))


def partners_with_keys(limit: int = 500) -> QuerySet[Organization]:
    """Organisations with most grants first: what a list of suggestions offers."""
    return (
        Organization.objects.annotate(held=Count("grants"))
        .filter(held__gt=0)
        .order_by("-held", "name")[:limit]
    )


def selected_kids(rows: QuerySet[Credential] | QuerySet[Grant]) -> list[str]:
    """The live kids among ticked keys, or under ticked grants; one more than may be, at most."""
    live = Credential.objects.filter(status__in=LIVE).order_by("pk")
    of_these = Q(pk__in=rows.values("pk")) if rows.model is Credential else Q(grant__in=rows)
    return list(live.filter(of_these).values_list("kid", flat=True)[: MOST_KIDS + 1])


def last_used_between(
    credentials: QuerySet[Credential], since: datetime, until: datetime
) -> QuerySet[Credential]:
    """Those whose last use may lie in this time: it is known to ten minutes, and whoever might be
    meant is. Keys never used are not.
    """
    return credentials.filter(
        use__last_used_at__gt=since - USE_IS_KNOWN_TO, use__last_used_at__lt=until
    )


def keys_by_pepper() -> dict[int, tuple[int, datetime]]:
    """Of the keys that work, by the version their hash is of: (how many, when the last expires)."""
    rows = Credential.objects.filter(status=CredentialStatus.ACTIVE, expires_at__gt=timezone.now())
    counted = rows.order_by().values_list("pepper_version")
    return {
        version: (count, last)
        for version, count, last in counted.annotate(Count("pk"), Max("expires_at"))
    }


def _kids_meant(text: str) -> list[str]:
    return [kid for kid in split_kids(text) if _KID.fullmatch(kid)]


def _held_by(words: str, path: str = "") -> Q:
    """People and partners are found first, so that each part can use its index."""
    people = User.objects.filter(Q(email__icontains=words) | Q(name__icontains=words))
    partners = Organization.objects.filter(name__icontains=words)
    return Q(**{f"{path}holder__in": list(_ids(people))}) | Q(
        **{f"{path}organization__in": list(_ids(partners))}
    )


def _ids(rows: QuerySet) -> QuerySet:
    return rows.order_by().values_list("pk", flat=True)[:MOST_NAMES]


def progress(revocation: Revocation) -> dict[str, int]:
    """Items of a case by status, with every status present."""
    counted = dict(revocation.items.values_list("status").annotate(Count("pk")).order_by("status"))
    return {status: counted.get(status, 0) for status in ItemStatus.values}
