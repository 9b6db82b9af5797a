"""Every change to an application, split by who makes it."""

from portal.applications.services.drafting import save_answers, start_application
from portal.applications.services.moving import move_application
from portal.applications.services.submitting import (
    appeal_application,
    submit_application,
    withdraw_application,
)
from portal.applications.services.talking import send_message
from portal.applications.services.timing import expire_applications

__all__ = [
    "appeal_application",
    "expire_applications",
    "move_application",
    "save_answers",
    "send_message",
    "start_application",
    "submit_application",
    "withdraw_application",
]
