"""What is owed, what was given up, and what an endpoint's page shows."""

from dataclasses import dataclass

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from accounts.models import Organization
from portal.owed import Owed
from portal.webhooks.models import Delivery, Endpoint

SHOWN = 50
_OPEN = Q(deliveries__delivered_at=None, deliveries__dead_at=None, deliveries__isnull=False)


def endpoints_of(organization: Organization) -> QuerySet[Endpoint]:
    return (
        organization.webhooks.order_by("created_at", "pk")
        .select_related("organization")
        .annotate(
            waiting=Count("deliveries", filter=_OPEN),
            given_up=Count("deliveries", filter=Q(deliveries__dead_at__isnull=False)),
        )
    )


def latest_deliveries(endpoint: Endpoint) -> QuerySet[Delivery]:
    return endpoint.deliveries.order_by("-pk")[:SHOWN]


def owed_deliveries() -> QuerySet[Delivery]:
    """Neither delivered nor dead nor held, of endpoints that are on."""
    return Delivery.objects.filter(
        delivered_at=None, dead_at=None, held=False, endpoint__disabled_at=None
    )


def due_deliveries() -> list[int]:
    """For each endpoint that nobody speaks to, the one that is due the longest."""
    now = timezone.now()
    due = owed_deliveries().filter(
        Q(endpoint__busy_until=None) | Q(endpoint__busy_until__lte=now), next_attempt_at__lte=now
    )
    first = due.order_by("endpoint_id", "next_attempt_at", "pk").distinct("endpoint_id")
    return list(first.values_list("pk", flat=True))


def unfinished_deliveries() -> Owed:
    """What a worker could take up now. One that waits for its next attempt waits for a partner's
    server rather than for us, and one that was given up is the partner's to send again: neither
    is anything that the people who run the portal could do.
    """
    due = owed_deliveries().filter(next_attempt_at__lte=timezone.now())
    found = due.aggregate(waiting=Count("pk"), since=Min("next_attempt_at"))
    return Owed(waiting=found["waiting"], since=found["since"], due_since=found["since"], dead=0)


def deliveries_by_state() -> dict[str, int]:
    """For the metrics: how many wait, for whomever, and how many were given up and are kept."""
    found = Delivery.objects.filter(delivered_at=None).aggregate(
        waiting=Count("pk", filter=Q(dead_at=None)),
        given_up=Count("pk", filter=Q(dead_at__isnull=False)),
    )
    return {"waiting": found["waiting"], "given_up": found["given_up"]}


@dataclass(frozen=True, slots=True)
class Told:
    """Events about one thing: how many have arrived, wait, and were given up."""

    delivered: int
    waiting: int
    given_up: int

    @property
    def total(self) -> int:
        return self.delivered + self.undelivered

    @property
    def undelivered(self) -> int:
        return self.waiting + self.given_up


def told_about(ref: str) -> Told:
    unfinished = Q(delivered_at=None)
    counted = Delivery.objects.filter(about=ref).aggregate(
        delivered=Count("pk", filter=~unfinished),
        waiting=Count("pk", filter=unfinished & Q(dead_at=None)),
        given_up=Count("pk", filter=unfinished & Q(dead_at__isnull=False)),
    )
    return Told(**counted)


def have_to_arrive(ref: str) -> bool:
    """Whether events about one thing have not arrived so far, and are not given up."""
    return Delivery.objects.filter(about=ref, delivered_at=None, dead_at=None).exists()


def failing_about(ref: str) -> QuerySet[Delivery]:
    """Those that could not be delivered so far, what was given up first."""
    tried = Q(dead_at__isnull=False) | Q(last_status__isnull=False) | ~Q(last_error="")
    failed = Delivery.objects.filter(tried, about=ref, delivered_at=None)
    return failed.select_related("endpoint__organization").order_by("dead_at", "-attempts", "pk")
