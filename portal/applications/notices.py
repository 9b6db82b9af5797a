"""What applicants are told by mail. One function an event; no decisions."""

from django.conf import settings
from django.urls import reverse

from portal.applications.models import Application
from portal.mail.services import queue_mail


def application_submitted(application: Application) -> None:
    _tell(application, "submitted", review_days=application.phase.review_days)


def changes_requested(application: Application) -> None:
    _tell(application, "changes_requested")


def message_received(application: Application) -> None:
    _tell(application, "message_received")


def application_appealed(application: Application) -> None:
    _tell(application, "appealed", review_days=application.phase.review_days)


def application_expired(application: Application) -> None:
    """Drafts, unanswered change requests (expired) and offers not taken (lapsed)."""
    _tell(application, "expired", lapsed=application.status == "lapsed")


def application_offered(application: Application) -> None:
    """Approved, but the current agreement is still to be signed."""
    _tell(application, "offered", expires_at=f"{application.expires_at:%-d %B %Y}")


def application_approved(application: Application) -> None:
    _tell(application, "approved")


def application_declined(application: Application, *, text: str, final: bool) -> None:
    _tell(application, "declined", text=text, final=final)


def application_waitlisted(application: Application, *, text: str) -> None:
    _tell(application, "waitlisted", text=text)


def _tell(application: Application, event: str, **words: str | int | bool) -> None:
    path = reverse("applications:detail", args=[application.ref])
    queue_mail(
        to=application.applicant.email,
        template=f"applications/{event}",
        context={
            "name": application.applicant.get_short_name(),
            "ref": application.ref,
            "release": application.phase.release.name,
            "phase": application.phase.name,
            "url": f"{settings.BASE_URL}{path}",
            **words,
        },
    )
