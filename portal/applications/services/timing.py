"""What time alone does to an application."""

from django.db import transaction
from django.utils import timezone

from portal.applications import notices
from portal.applications.enums import ApplicationStatus as S
from portal.applications.models import Application
from portal.applications.services.moving import move_application
from portal.audit.services import Actor

BATCH = 100
_WHEN_TIME_IS_UP = {S.DRAFT: S.EXPIRED, S.CHANGES_REQUESTED: S.EXPIRED, S.APPROVED: S.LAPSED}


@transaction.atomic
def expire_applications(*, by: Actor) -> int:
    """Close drafts, unanswered change requests and offers whose time is up; returns how many.

    A bounded batch, skipping rows somebody holds: safe to run twice, at once and late.
    """
    due = (
        Application.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("applicant", "phase__release")
        .filter(status__in=_WHEN_TIME_IS_UP, expires_at__lte=timezone.now())[:BATCH]
    )
    for application in due:
        move_application(application, to=_WHEN_TIME_IS_UP[S(application.status)], by=by)
        notices.application_expired(application)
    return len(due)
