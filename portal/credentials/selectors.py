"""Reads: who is hit, what is unfinished, what a person holds."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, Max, Min, Model, OuterRef, Prefetch, Q, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.enums import MemberRole, StaffRole
from accounts.models import Organization, User
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.credentials.enums import (
    CredentialStatus,
    GrantStatus,
    ItemStatus,
    PartyStatus,
    ReissueItemStatus,
    ReissueStatus,
    RevocationStatus,
)
from portal.credentials.lifecycle import LIVE, OCCUPYING
from portal.credentials.models import (
    Credential,
    Grant,
    Reissue,
    ReissueItem,
    Revocation,
    RevocationItem,
    RevocationParty,
)
from portal.credentials.targets import MOST_KIDS, kids_meant
from portal.owed import Owed
from portal.programs.enums import RiskTier
from portal.programs.models import ModelRelease, RolloutPhase
from portal.programs.selectors import riskiest

UNTOLD = (PartyStatus.PENDING, PartyStatus.FAILED)
UNTOLD_SLOTS = (ReissueItemStatus.MADE, ReissueItemStatus.FAILED)
# A row this young is most likely in a worker's hands at this moment.
SETTLE = timedelta(seconds=5)
RING_AT_MOST = 500
USE_IS_KNOWN_TO = timedelta(minutes=10)
MOST_NAMES = 200  # people or partners a search by part of a name looks under
_BEGUN = [GrantStatus.ACTIVATING, GrantStatus.ACTIVE, GrantStatus.SUSPENDED]
KEYS_REVOKED = "credentials/keys_revoked"  # the mails that a case is followed by
KEYS_REISSUED = "credentials/keys_reissued"  # and a re-issue after it
TO_PARTNERS = (KEYS_REVOKED, KEYS_REISSUED)  # what waits while telling is paused
# Who looks after an organisation's keys, whoever of its people holds the grant.
KEEPERS = (MemberRole.TECHNICAL_CONTACT, MemberRole.OWNER)


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


def keepers_of(organization: Organization) -> QuerySet[User]:
    """Who looks after this organisation's keys, as far as they may act."""
    return User.objects.filter(
        memberships__organization=organization, memberships__role__in=KEEPERS, suspended_at=None
    ).distinct()


def responders_of(case: Revocation) -> list[User]:
    """Those who decided the case, as far as they may act; without any, every incident responder."""
    able = User.objects.filter(is_active=True, is_staff=True, suspended_at=None)
    of_it = [case.requested_by_id, case.asked_by_id, case.confirmed_by_id]
    deciders = [
        each
        for each in able.filter(pk__in=[pk for pk in of_it if pk]).order_by("pk")
        if each.has_perm("credentials.revoke_credentials")
    ]
    roles = [StaffRole.INCIDENT_RESPONDER, StaffRole.INCIDENT_LEAD]
    return deciders or list(able.filter(groups__name__in=roles).distinct().order_by("pk"))


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


def unmarked_keys(revocation_id: int, *, at_most: int) -> list[int]:
    """Ids of that many keys of a case, or fewer, that workers have written nothing on so far."""
    items = RevocationItem.objects.filter(revocation=revocation_id, status=ItemStatus.FROZEN)
    ids = items.order_by("credential_id").values_list("credential_id", flat=True)
    return list(ids[:at_most])


def unfinished_revocations() -> list[int]:
    """Ids of cases with something to do, at which no worker is busy: it rings for its own rest."""
    now = timezone.now()
    of_case = {"revocation": OuterRef("pk")}
    unmarked = Exists(RevocationItem.objects.filter(**of_case, status=ItemStatus.FROZEN))
    untold = Exists(
        RevocationParty.objects.filter(**of_case, status__in=UNTOLD, next_attempt_at__lte=now)
    )
    running = Q(status=RevocationStatus.RUNNING)
    found = Revocation.objects.filter(
        Q(leased_until__isnull=True) | Q(leased_until__lte=now),
        Q(unmarked) | Q(paused_at__isnull=True) & (running | Q(untold)),
        status__in=[RevocationStatus.RUNNING, RevocationStatus.COMPLETED_WITH_STRAGGLERS],
        confirmed_at__lte=now - SETTLE,
    )
    return list(found.order_by("pk").values_list("pk", flat=True)[:RING_AT_MOST])


def unfinished_reissues() -> list[int]:
    """Ids of re-issues with something to do, at which no worker is busy."""
    now = timezone.now()
    of_this = ReissueItem.objects.filter(reissue=OuterRef("pk"))
    waits = of_this.filter(status__in=UNTOLD_SLOTS, next_attempt_at__gt=now)
    due = of_this.filter(
        Q(status=ReissueItemStatus.CHOSEN) | Q(status__in=UNTOLD_SLOTS, next_attempt_at__lte=now)
    )
    found = Reissue.objects.filter(
        Q(leased_until__isnull=True) | Q(leased_until__lte=now),
        Exists(due) | ~Exists(waits),
        status=ReissueStatus.RUNNING,
        confirmed_at__lte=now - SETTLE,
    )
    return list(found.order_by("pk").values_list("pk", flat=True)[:RING_AT_MOST])


def unfinished_by_kind() -> dict[str, Owed]:
    """What workers still owe: keys to be prepared, holders to be told of a revocation, and slots
    to be made, and told of, after one.
    """
    return {"issue": _unprepared(), "revocation": _untold(), "reissue": _unmade()}


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
    """Holders are tried for without end, so none of these is ever given up. What a person has
    paused is owed, and not late.
    """
    unfinished = Q(status=ItemStatus.PENDING) | Q(
        status=ItemStatus.FROZEN, revocation__confirmed_at__isnull=False
    )
    due = Q(next_attempt_at__lte=timezone.now(), revocation__paused_at__isnull=True)
    found = RevocationItem.objects.filter(unfinished).aggregate(
        waiting=Count("pk"),
        since=Min("revocation__confirmed_at"),
        due_since=Min("next_attempt_at", filter=due),
    )
    return Owed(**found, dead=0)


def _unmade() -> Owed:
    owed = Q(status__in=[ReissueItemStatus.CHOSEN, *UNTOLD_SLOTS])
    items = ReissueItem.objects.filter(owed, reissue__status=ReissueStatus.RUNNING)
    found = items.aggregate(
        waiting=Count("pk"),
        since=Min("reissue__confirmed_at"),
        due_since=Min(
            Greatest("reissue__confirmed_at", "next_attempt_at"),
            filter=Q(next_attempt_at__lte=timezone.now()),
        ),
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
    of_keys = Credential.objects.filter(kid__in=kids_meant(words)).values("grant")
    found = Q(ref=words.upper()) | Q(application__ref=words.upper()) | Q(pk__in=of_keys)
    return grants.filter(found | _held_by(words))


def search_credentials(credentials: QuerySet[Credential], text: str) -> QuerySet[Credential]:
    """By kid, by the reference of the grant, by the key's own name, by holder or partner."""
    words = text.strip()
    found = Q(kid__in=kids_meant(words)) | Q(grant__ref=words.upper()) | Q(name__iexact=words)
    return credentials.filter(found | _held_by(words, "grant__"))


def search_revocations(revocations: QuerySet[Revocation], text: str) -> QuerySet[Revocation]:
    """By reference, by part of the title, or by the kid of a key in the case."""
    words = text.strip()
    keys = _ids(Credential.objects.filter(kid__in=kids_meant(words)))
    items = RevocationItem.objects.filter(credential__in=list(keys))
    known = Q(ref=words.upper()) | Q(title__icontains=words)
    return revocations.filter(known | Q(pk__in=items.values("revocation")))


def search_reissues(reissues: QuerySet[Reissue], text: str) -> QuerySet[Reissue]:
    """By its reference or its case's, by a kid that is dead or new in it."""
    words, kids = text.strip().upper(), kids_meant(text)
    items = ReissueItem.objects.filter(Q(credential__kid__in=kids) | Q(slot__kid__in=kids))
    known = Q(ref=words) | Q(revocation__ref=words)
    return reissues.filter(known | Q(pk__in=items.values("reissue")))


def partners_with_keys(limit: int = 500) -> QuerySet[Organization]:
    """Organisations with most grants first: what a list of suggestions offers."""
    return (
        Organization.objects.annotate(held=Count("grants"))
        .filter(held__gt=0)
        .order_by("-held", "name")[:limit]
    )


def live_keys_under(rows: QuerySet[Any]) -> QuerySet[Credential]:
    """Among ticked keys, or under ticked grants, organisations, phases or releases."""
    paths: dict[type[Model], str] = {
        Credential: "pk",
        Grant: "grant",
        Organization: "grant__organization",
        RolloutPhase: "grant__phase",
        ModelRelease: "grant__phase__release",
    }
    of_these = {f"{paths[rows.model]}__in": rows.order_by().values("pk")}
    return Credential.objects.filter(status__in=LIVE, **of_these)


def selected_kids(rows: QuerySet[Any]) -> list[str]:
    """The live kids among what was ticked; one more than may be, at most."""
    live = live_keys_under(rows).order_by("pk")
    return list(live.values_list("kid", flat=True)[: MOST_KIDS + 1])


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


def _held_by(words: str, path: str = "") -> Q:
    """People and partners are found first, so that each part can use its index."""
    people = User.objects.filter(Q(email__icontains=words) | Q(name__icontains=words))
    partners = Organization.objects.filter(name__icontains=words)
    return Q(**{f"{path}holder__in": list(_ids(people))}) | Q(
        **{f"{path}organization__in": list(_ids(partners))}
    )


def _ids(rows: QuerySet) -> QuerySet:
    return rows.order_by().values_list("pk", flat=True)[:MOST_NAMES]


def last_drill() -> datetime | None:
    """When a drill was last gone through to its end."""
    return Revocation.objects.filter(rehearsal=True).aggregate(Max("completed_at"))[
        "completed_at__max"
    ]


MANY, MANY_OF_ALL = 500, 0.05  # keys of one case; the larger of the two counts


def needs_second_person(revocation: Revocation) -> bool:
    """Whether a case is large, or has a key of the highest risk: one person is not enough.

    A drill never needs two: it is of keys to test alone.
    """
    if revocation.rehearsal:
        return False
    if is_large(revocation.items.count()):
        return True
    paths = ("credential__grant__phase__release", "credential__scopes")
    return reaches_critical(revocation.items.order_by().values_list(*paths).distinct())


def is_large(keys: int) -> bool:
    """Whether so many are MANY by both counts. No more are counted than it takes to tell."""
    if keys <= MANY:
        return False
    enough = int(keys / MANY_OF_ALL) + 1
    active = Credential.objects.filter(status=CredentialStatus.ACTIVE).order_by()[:enough].count()
    return keys > MANY_OF_ALL * active


def is_beyond_cap(case: Revocation) -> bool:
    """Whether a case is so large that only somebody who may break the glass confirms it."""
    return not case.rehearsal and case.count > settings.REVOCATION_CAP


def reaches_critical(groups: Iterable[tuple[int, list[str]]]) -> bool:
    """Whether any of these (release's id, scopes) has something of the highest risk."""
    pairs = {(release, scope) for release, scopes in groups for scope in scopes}
    return riskiest(pairs) == RiskTier.CRITICAL
