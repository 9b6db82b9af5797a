"""The only door to an application's status."""

from datetime import datetime

from django.utils import timezone

from portal.applications.lifecycle import EVENT, TRANSITIONS
from portal.applications.models import Application
from portal.audit.services import Actor, Payload, record_event
from portal.lifecycle import check_transition


def lock_application(application_id: int) -> Application:
    """The row as it is now, held until the transaction ends."""
    return (
        Application.objects.select_for_update(of=("self",))
        .select_related("phase__release", "applicant", "organization")
        .get(pk=application_id)
    )


def move_application(
    application: Application,
    *,
    to: str,
    by: Actor,
    expires_at: datetime | None = None,
    payload: Payload | None = None,
) -> None:
    """Take the state machine's edge to `to`; the caller holds the row's lock.

    Saves the status, its time and when it runs out, and any other changed field the caller set;
    writes the event of the state entered. Raises InvalidTransition.
    """
    check_transition(application, to=to, transitions=TRANSITIONS)
    application.status = to
    application.status_changed_at = application.updated_at = timezone.now()
    application.expires_at = expires_at
    application.save()
    record_event(EVENT[to], subject=application.ref, thread=application.ref, by=by, payload=payload)
