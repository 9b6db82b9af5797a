"""What the admin's first page tells, each part only to those who may see what it counts."""

from datetime import timedelta
from typing import Any

from django.db.models import Case, Count, Q, Value, When
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from portal.applications.enums import ApplicationStatus
from portal.applications.models import Application
from portal.credentials.policies import can_revoke_in_bulk
from portal.credentials.selectors import last_drill, working_keys
from portal.credentials.usage import heaviest
from portal.reviews.casefile import in_days
from portal.reviews.machinery import facts_and_advice
from portal.reviews.selectors import PROMISED, QUEUE, desk_for, waiting_since

Bars = list[tuple[str, int]]
AGES = (("Up to 2 days", 2), ("3 to 5 days", 5), ("6 to 10 days", 10))
OLDER = "More than 10 days"
MOST_HEAVY = 8
DRILL_EVERY = timedelta(days=30)


def dashboard(user: User) -> dict[str, Any]:
    """The parts this person may see; a part that is missing is not for them."""
    parts: dict[str, Any] = {}
    if user.has_perm("applications.view_application"):
        parts |= {"desk": _desk(user), "funnel": _funnel(), "ages": _ages()}
    if user.has_perm("credentials.view_credential"):
        parts |= {"by_phase": _keys(), "heaviest": heaviest(MOST_HEAVY)}
        parts["machinery"], parts["advice"] = facts_and_advice()
    if can_revoke_in_bulk(user):
        parts["drill"] = _drill()
    return parts


def _drill() -> str:
    """What to say while nobody has practised for long; nothing otherwise."""
    last = last_drill()
    if last and timezone.now() - last < DRILL_EVERY:
        return ""
    when = f"The last drill was {in_days(timezone.now() - last)} ago." if last else "Never drilled."
    return f"{when} Revoke many keys to test, as a drill: only then is known how long it takes."


def _desk(user: User) -> list[tuple[str, int, str]]:
    """(words, number, address of the desk narrowed to just these)."""
    waiting: Any = desk_for(user).filter(status__in=QUEUE)  # with columns the checker cannot see
    counted = waiting.aggregate(
        waiting=Count("pk"),
        mine=Count("pk", filter=Q(assignment__reviewer=user)),
        nobody=Count("pk", filter=Q(assignment=None)),
    )
    late = waiting.filter(overdue=True).count()
    unanswered = waiting.filter(unanswered__gt=0).count()
    desk = reverse("admin:applications_application_changelist")
    return [
        ("Waiting for us", counted["waiting"], desk),
        ("Taken by you", counted["mine"], f"{desk}?whose=mine"),
        ("Taken by nobody", counted["nobody"], f"{desk}?whose=nobody"),
        ("Overdue", late, f"{desk}?attention=overdue"),
        ("With an unanswered message", unanswered, f"{desk}?attention=unanswered"),
    ]


def _funnel() -> Bars:
    counted = dict(Application.objects.values_list("status").annotate(Count("pk")).order_by())
    return [(label, counted.get(status, 0)) for status, label in ApplicationStatus.choices]


def _ages() -> Bars:
    """How long those wait who have been promised an answer."""
    steps = [
        When(since__gt=Now() - timedelta(days=days), then=Value(words)) for words, days in AGES
    ]
    waiting = Application.objects.filter(status__in=PROMISED)
    counted = dict(
        waiting.annotate(since=waiting_since())
        .annotate(age=Case(*steps, default=Value(OLDER)))
        .values_list("age")
        .annotate(Count("pk"))
        .order_by()
    )
    return [(words, counted.get(words, 0)) for words in [*(each[0] for each in AGES), OLDER]]


def _keys() -> Bars:
    """Keys that could be used now, by the phase of their grant."""
    rows = (
        working_keys()
        .values_list("grant__phase__release__name", "grant__phase__name")
        .annotate(number=Count("pk"))
        .order_by("grant__phase__release__name", "grant__phase__order")
    )
    return [(f"{release}: {phase}", number) for release, phase, number in rows]
