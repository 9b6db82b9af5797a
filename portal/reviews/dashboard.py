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
from portal.credentials.enums import CredentialStatus
from portal.credentials.models import Credential
from portal.credentials.selectors import unfinished_work
from portal.credentials.usage import heaviest
from portal.mail.selectors import unfinished_mail
from portal.reviews.casefile import in_days
from portal.reviews.selectors import PROMISED, QUEUE, desk_for, waiting_since

Bars = list[tuple[str, int]]
AGES = (("Up to 2 days", 2), ("3 to 5 days", 5), ("6 to 10 days", 10))
OLDER = "More than 10 days"
MOST_HEAVY = 8


def dashboard(user: User) -> dict[str, Any]:
    """The parts this person may see; a part that is missing is not for them."""
    parts: dict[str, Any] = {}
    if user.has_perm("applications.view_application"):
        parts |= {"desk": _desk(user), "funnel": _funnel(), "ages": _ages()}
    if user.has_perm("credentials.view_credential"):
        parts |= {"by_phase": _keys(), "heaviest": heaviest(MOST_HEAVY), "work": _work()}
    return parts


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
    now = timezone.now()
    rows = (
        Credential.objects.filter(status=CredentialStatus.ACTIVE, expires_at__gt=now)
        .values_list("grant__phase__release__name", "grant__phase__name")
        .annotate(number=Count("pk"))
        .order_by("grant__phase__release__name", "grant__phase__order")
    )
    return [(f"{release}: {phase}", number) for release, phase, number in rows]


def _work() -> list[tuple[str, str]]:
    """What workers still owe; on a good day nothing, or a few seconds."""
    count, since, dead = unfinished_work()
    mail = unfinished_mail()
    waits = [timezone.now() - since] if since else []
    waits += [mail.oldest] if mail.oldest else []
    return [
        ("Rows and mails still owed", f"{count + mail.waiting:,}"),
        ("Oldest has waited", in_seconds(max(waits)) if waits else "Nothing waits"),
        ("Given up on, for people to look at", f"{dead + mail.dead:,}"),
    ]


def in_seconds(span: timedelta) -> str:
    seconds = max(int(span.total_seconds()), 0)
    return f"{seconds} s" if seconds < 3600 else in_days(span)
