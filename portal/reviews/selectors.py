"""What the review desk reads."""

from datetime import timedelta
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Now

from accounts.models import Organization, User
from portal.applications.enums import ApplicationStatus as S
from portal.applications.models import Application, Message, Revision
from portal.programs.enums import RiskTier
from portal.programs.models import Capability
from portal.programs.selectors import TIER_ORDER
from portal.reviews.enums import ConflictResolution
from portal.reviews.models import ConflictOfInterest, Review

QUEUE = (S.SUBMITTED, S.IN_REVIEW, S.APPEALED, S.WAITLISTED)
# Where the phase's promise of an answer runs; who is on the waiting list has had one.
PROMISED = (S.SUBMITTED, S.IN_REVIEW, S.APPEALED)
# Of each kind, when searching by name: more is a reason to write more letters.
MOST_NAMES = 200


def latest_revision(application: Application) -> Revision:
    """What reviewers judge. Raises Revision.DoesNotExist before the first submission."""
    return application.revisions.select_related("application").latest("number")


def current_reviews(application: Application) -> list[Review]:
    """Reviews of the latest revision that count now: on appeal only those since the appeal."""
    revision = application.revisions.order_by("number").last()
    if revision is None:  # never submitted
        return []
    reviews = revision.reviews.select_related("reviewer")
    if application.status == S.APPEALED:
        reviews = reviews.filter(recorded_at__gte=application.status_changed_at)
    return list(reviews)


def deciders_of(application: Application) -> set[int]:
    """Ids of everyone who ruled on it so far."""
    return set(application.decisions.values_list("decided_by", flat=True))


def queue_for(user: User) -> QuerySet[Application]:
    """Applications waiting for staff, longest waiting first, less what this person is tied to."""
    waiting: Any = desk_for(user).filter(status__in=QUEUE)  # with columns the checker cannot see
    return waiting.order_by("waiting_since", "pk")


def desk_for(user: User) -> QuerySet[Application]:
    """Every application this person is not tied to, with what the desk's columns show."""
    return with_desk_columns(_untied(user), user)


def conflicts_for(user: User) -> QuerySet[ConflictOfInterest]:
    """Those this person declared, and those in files that no tie or conflict keeps them out of."""
    own = ConflictOfInterest.objects.filter(person=user)
    kept_out = own.exclude(resolution=ConflictResolution.WAIVED).values("application")
    return ConflictOfInterest.objects.filter(
        Q(pk__in=own.values("pk"))
        | (Q(application__in=_untied(user)) & ~Q(application__in=kept_out))
    )


def with_desk_columns(applications: QuerySet[Application], user: User) -> QuerySet[Application]:
    """Add the columns; constant in queries whatever the number of rows.

    `waiting_since`, `due_at` and `overdue` (only while the phase's promise runs), `tier` (the
    highest asked for), `reviews_in` and `reviewed_by_me` (of the latest revision, on appeal since
    the appeal), `unanswered` (messages of the applicant since staff last wrote), `my_conflict`
    (declared by `user` and not waived).
    """
    promised = Q(status__in=PROMISED)
    mine = ConflictOfInterest.objects.filter(application=OuterRef("pk"), person=user)
    return (
        applications.select_related(
            "applicant", "organization", "phase__release", "assignment__reviewer"
        )
        .annotate(waiting_since=waiting_since())
        .annotate(
            due_at=Case(
                When(promised, then=F("waiting_since") + _promise()), output_field=DateTimeField()
            ),
            tier=_tier(),
            reviews_in=_count(_counted_reviews(), "revision__application"),
            reviewed_by_me=Exists(_counted_reviews().filter(reviewer=user)),
            unanswered=_count(_unanswered(), "application"),
            my_conflict=Exists(mine.exclude(resolution=ConflictResolution.WAIVED)),
        )
        .annotate(
            overdue=Case(
                When(due_at__lt=Now(), then=True), default=False, output_field=BooleanField()
            )
        )
    )


def search(applications: QuerySet[Application], text: str) -> QuerySet[Application]:
    """By reference, with or without its prefix; by name or address of the applicant; by name of
    the organisation.

    People and organisations are found first, so that each part can use an index.
    """
    words = text.strip()
    ref = words.upper()
    found = Q(ref=ref) | Q(ref=f"APP-{ref}")
    people = User.objects.filter(Q(email__icontains=words) | Q(name__icontains=words))
    partners = Organization.objects.filter(name__icontains=words)
    found |= Q(applicant__in=list(people.values_list("pk", flat=True)[:MOST_NAMES]))
    found |= Q(organization__in=list(partners.values_list("pk", flat=True)[:MOST_NAMES]))
    return applications.filter(found)


def busiest_organizations(limit: int = 12) -> QuerySet[Organization]:
    """Those with most applications in the queue."""
    return (
        Organization.objects.filter(applications__status__in=QUEUE)
        .annotate(waiting=Count("applications"))
        .order_by("-waiting", "name")[:limit]
    )


def waiting_since() -> Case:
    """Since when it is somebody's turn: an appeal and a place on the waiting list begin anew."""
    since_change = When(status__in=[S.APPEALED, S.WAITLISTED], then="status_changed_at")
    return Case(since_change, default="submitted_at", output_field=DateTimeField())


def _untied(user: User) -> QuerySet[Application]:
    own = user.memberships.values("organization")
    return Application.objects.exclude(
        Q(applicant=user)
        | Q(organization__in=own)
        | Q(applicant__memberships__organization__in=own)
    )


def _promise() -> ExpressionWrapper:
    day = Value(timedelta(days=1), output_field=DurationField())
    return ExpressionWrapper(F("phase__review_days") * day, output_field=DurationField())


def _tier() -> Case:
    """The highest tier among the scopes asked for; critical when none of them is known."""
    risk = Case(*(When(tier=tier, then=Value(n)) for n, tier in enumerate(TIER_ORDER)))
    asked = (
        Capability.objects.filter(release=OuterRef("phase__release"))
        .alias(asked=ExpressionWrapper(OuterRef("scopes"), Application._meta.get_field("scopes")))
        .filter(Q(asked__contains=[F("scope")]))
        .order_by(risk.desc())
        .values("tier")[:1]
    )
    return Case(
        When(scopes=[], then=Value(RiskTier.STANDARD)),
        default=Coalesce(Subquery(asked), Value(RiskTier.CRITICAL)),
        output_field=CharField(),
    )


def _counted_reviews() -> QuerySet[Review]:
    """As current_reviews, for the application of the outer query."""
    latest = Revision.objects.filter(application=OuterRef(OuterRef("pk"))).order_by("-number")
    return Review.objects.filter(
        ~Q(revision__application__status=S.APPEALED)
        | Q(recorded_at__gte=F("revision__application__status_changed_at")),
        revision=Subquery(latest.values("pk")[:1]),
    )


def _unanswered() -> QuerySet[Message]:
    ours = Message.objects.filter(application=OuterRef("application"), from_staff=True)
    last = ours.order_by("-pk").values("pk")[:1]
    return Message.objects.filter(
        application=OuterRef("pk"), from_staff=False, pk__gt=Coalesce(Subquery(last), 0)
    )


def _count(rows: QuerySet, of: str) -> Coalesce:
    counted = rows.order_by().values(of).annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)
