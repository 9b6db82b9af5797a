"""The applicant's pages: start, fill in, finish, follow."""

from portal.applications.views.filling import agreement, capabilities, organization, section
from portal.applications.views.finishing import appeal, check, withdraw
from portal.applications.views.following import applications, detail, send
from portal.applications.views.starting import apply

__all__ = [
    "agreement",
    "appeal",
    "applications",
    "apply",
    "capabilities",
    "check",
    "detail",
    "organization",
    "section",
    "send",
    "withdraw",
]
