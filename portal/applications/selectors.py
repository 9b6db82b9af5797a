"""Reads for the applicant's pages."""

from collections import defaultdict

from django.db.models import QuerySet

from accounts.models import User
from portal.applications.enums import ApplicationStatus
from portal.applications.lifecycle import OPEN
from portal.applications.models import Application


def own_applications(user: User) -> QuerySet[Application]:
    """Newest first, with what every page about one needs."""
    return Application.objects.filter(applicant=user).select_related(
        "phase__release", "organization", "applicant"
    )


def open_application(user: User, phase_id: int) -> Application | None:
    """The one that stands between this person and starting another in the phase."""
    return own_applications(user).filter(phase=phase_id, status__in=OPEN).first()


def change_notes(application: Application) -> dict[str, list[str]]:
    """What reviewers want changed: question's key, or "" for the whole, to their words.

    Empty unless changes are asked for: what was asked before the last submission is answered.
    """
    notes: dict[str, list[str]] = defaultdict(list)
    if application.status == ApplicationStatus.CHANGES_REQUESTED:
        asked = application.messages.filter(from_staff=True, sent_at__gt=application.submitted_at)
        for key, body in asked.values_list("question", "body"):
            notes[key].append(body)
    return dict(notes)
