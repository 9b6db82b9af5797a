"""The thread between applicant and reviewers."""

from django.db import transaction

from accounts.models import User
from portal.applications import notices, policies
from portal.applications.models import Message
from portal.applications.services.moving import lock_application
from portal.audit.services import record_event
from portal.errors import Invalid

MOST_CHARACTERS = 5000


@transaction.atomic
def send_message(*, application_id: int, body: str, by: User) -> Message:
    """Add to the thread; the other side is told by mail when it is staff who writes."""
    application = lock_application(application_id)
    policies.can_send_message(by, application).enforce()
    body = body.strip()
    if not body or len(body) > MOST_CHARACTERS:
        raise Invalid(
            "message_length",
            "Write between 1 and 5,000 characters.",
            {"body": "Write between 1 and 5,000 characters."},
        )
    from_staff = application.applicant_id != by.pk
    message = Message.objects.create(
        application=application, author=by, from_staff=from_staff, body=body
    )
    record_event("application.message_sent", subject=application.ref, thread=application.ref, by=by)
    if from_staff:
        notices.message_received(application)
    return message
